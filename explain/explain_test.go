// SPDX-License-Identifier: Apache-2.0

package explain_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/explain"
	"whohas/kubeproxy"
)

func incident(mode dataplane.ProxyMode, version string) *cluster.Facts {
	v, _ := kubeproxy.ParseVersion(version)
	f := &cluster.Facts{Mode: mode, Version: v, NodesComplete: true, CNI: cluster.CNI{Name: "calico", Encap: cluster.IPIP, BGP: true}}
	for i, name := range []string{"cdev01", "cdev02", "cdev03"} {
		ip := netip.AddrFrom4([4]byte{192, 168, 10, byte(114 + i)})
		f.Nodes = append(f.Nodes, cluster.Node{Name: name, Addresses: []netip.Addr{ip}, Internal: []netip.Addr{ip}, ControlPlane: i == 0})
	}
	f.APIServers = []cluster.Endpoint{{IP: f.Nodes[0].Addresses[0], Port: 6443, From: "test"}}
	return f
}

// masters makes cdev02 a control-plane node as well.
func masters(f *cluster.Facts) *cluster.Facts {
	f.Nodes[1].ControlPlane = true
	return f
}

func kubeRouter(f *cluster.Facts) *cluster.Facts {
	f.KubeRouter = true
	return f
}

func wireGuard(f *cluster.Facts) *cluster.Facts {
	f.CNI.Encap = cluster.WireGuard
	return f
}

// TestTakeover tells the incident, and a worker's address, under both eras of
// kube-proxy that were run in the lab, and under iptables: who to whom, which
// flow, what becomes of it.
func TestTakeover(t *testing.T) {
	for _, tt := range []struct {
		name    string
		facts   *cluster.Facts
		owner   int
		port    uint16
		want    []string
		silence []string // must not be said
	}{
		{"the incident, 1.25.9", incident(dataplane.IPVS, "v1.25.9"), 0, 8080, []string{
			"cdev02+cdev03 > cdev01 ping delivered-elsewhere",
			"cdev02+cdev03 > cdev01 apiserver (6443/TCP) refused",
			"cdev02+cdev03 > cdev01 kubelet (10250/TCP) delivered-elsewhere",
			"cdev02+cdev03 > cdev01 bgp (179/TCP) delivered-elsewhere",
			"cdev02+cdev03 > cdev01 ipip delivered-elsewhere",
			"cdev02+cdev03 > cdev01 Service demo/tomcat (8080/TCP) delivered-elsewhere",
			"cdev01 > cdev02+cdev03 everything dropped",
		}, nil},
		{"the incident, 1.36.3", incident(dataplane.IPVS, "v1.36.3"), 0, 8080, []string{
			"cdev02+cdev03 > cdev01 ping refused",
			"cdev02+cdev03 > cdev01 apiserver (6443/TCP) refused",
			"cdev02+cdev03 > cdev01 kubelet (10250/TCP) refused",
			"cdev02+cdev03 > cdev01 bgp (179/TCP) refused",
			"cdev02+cdev03 > cdev01 ipip delivered-elsewhere",
			"cdev01 > cdev02+cdev03 everything dropped",
		}, nil},
		{"a worker's address", incident(dataplane.IPVS, "v1.21.3"), 1, 80, []string{
			"cdev01+cdev03 > cdev02 ping delivered-elsewhere",
			"cdev01+cdev03 > cdev02 kubelet (10250/TCP) delivered-elsewhere",
			"cdev02 > cdev01+cdev03 everything dropped",
		}, []string{"apiserver (6443/TCP)"}},
		{"three masters, 1.25.9", masters(incident(dataplane.IPVS, "v1.25.9")), 0, 80, []string{
			"cdev03 > cdev01 apiserver (6443/TCP) refused",
			"cdev02 > cdev01 apiserver (6443/TCP) delivered-elsewhere",
			"cdev02 > cdev01 etcd (2380/TCP) delivered-elsewhere",
		}, nil},
		{"kube-router", kubeRouter(incident(dataplane.IPVS, "")), 0, 80, []string{
			"cdev02+cdev03 > cdev01 ping delivered-elsewhere",
			"cdev02+cdev03 > cdev01 kubelet (10250/TCP) refused",
			"cdev02+cdev03 > cdev01 ipip refused",
		}, nil},
		{"wireguard", wireGuard(incident(dataplane.IPVS, "v1.36.3")), 0, 8080, []string{
			"cdev02+cdev03 > cdev01 wireguard (51820/UDP) delivered-elsewhere",
		}, nil},
		{"iptables", incident(dataplane.IPTables, "v1.30.0"), 0, 80, []string{
			"cdev02+cdev03 > cdev01 80/TCP delivered-elsewhere",
			"cdev02+cdev03 > cdev01 ping delivered",
		}, []string{"everything", "kubelet"}},
		{"iptables, the apiserver's port", incident(dataplane.IPTables, "v1.36.3"), 0, 6443, []string{
			"cdev02+cdev03 > cdev01 apiserver (6443/TCP) delivered-elsewhere",
			"cdev02+cdev03 > cdev01 ping delivered",
		}, []string{"everything", "kubelet"}},
		{"ipvs, the apiserver's port", incident(dataplane.IPVS, "v1.25.9"), 0, 6443, []string{
			"cdev02+cdev03 > cdev01 Service demo/tomcat (6443/TCP) delivered-elsewhere",
			"cdev02+cdev03 > cdev01 kubelet (10250/TCP) delivered-elsewhere",
		}, []string{"apiserver (6443/TCP)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			owner := tt.facts.Nodes[tt.owner]
			losses := explain.Takeover(explain.Target{
				Address: owner.Addresses[0], Owner: owner, Service: "Service demo/tomcat", API: tt.owner == 0,
				Ports: claim.Ports{{Proto: "TCP", Number: tt.port}},
			}, tt.facts)
			got := flows(losses)
			for _, want := range tt.want {
				if !slices.Contains(got, want) {
					t.Errorf("lacks %q in\n%s", want, strings.Join(got, "\n"))
				}
			}
			for _, no := range tt.silence {
				if strings.Contains(strings.Join(got, "\n"), no) {
					t.Errorf("says %q:\n%s", no, strings.Join(got, "\n"))
				}
			}
			for _, l := range losses {
				if len(l.Evidence) == 0 || l.Certainty != explain.Derived {
					t.Errorf("%q: certainty %s, evidence %v", l.Text, l.Certainty, l.Evidence)
				}
			}
		})
	}
}

func flows(losses []explain.Impact) []string {
	var out []string
	for _, l := range losses {
		for _, e := range l.Effects {
			out = append(out, fmt.Sprintf("%s > %s %s %s", strings.Join(e.From, "+"), strings.Join(e.To, "+"), e.Flow, e.Disposition))
		}
	}
	return out
}

// TestWhoLosesWhat: the nodes by name, and what each loses.
func TestWhoLosesWhat(t *testing.T) {
	f := incident(dataplane.IPVS, "v1.36.3")
	owner := f.Nodes[0]
	losses := explain.Takeover(explain.Target{Address: owner.Addresses[0], Owner: owner, API: true, Service: "Service demo/tomcat"}, f)
	var got []string
	for _, l := range losses {
		got = append(got, strings.Join(l.Nodes, "+")+": "+strings.Join(l.Lost, " "))
	}
	want := []string{
		"cdev02+cdev03: apiserver kubelet bgp tunnel",
		"cdev01: ping kubelet",
		"cdev02+cdev03: node-lease",
		"cdev02+cdev03: kube-proxy-watch",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestConnectAnew: address translation leaves open connections alone; only who
// reconnects is cut off, and its node alone needs a rule less.
func TestConnectAnew(t *testing.T) {
	for _, tt := range []struct {
		mode    dataplane.ProxyMode
		port    uint16
		loses   []string
		command string
	}{
		{dataplane.IPTables, 6443, []string{"apiserver", "node-lease", "kube-proxy-watch"}, "iptables -t nat -S KUBE-SERVICES | grep -F -- ' 192.168.10.114/32 ' | sed 's/^-A /-D /' | xargs -r -L 1 iptables -t nat"},
		{dataplane.NFTables, 6443, []string{"apiserver", "node-lease", "kube-proxy-watch"}, "nft delete element ip kube-proxy service-ips '{ 192.168.10.114 . tcp . 6443 }'"},
		{dataplane.NFTables, 80, nil, ""},
	} {
		f := incident(tt.mode, "v1.36.3")
		target := explain.Target{Address: f.Nodes[0].Addresses[0], Owner: f.Nodes[0], API: true, Service: "Service demo/tomcat",
			Ports: claim.Ports{{Proto: "TCP", Number: tt.port}}}
		var loses []string
		for _, l := range explain.Takeover(target, f) {
			loses = append(loses, l.Lost...)
			if strings.Contains(l.Text, "puts the address back") || strings.Contains(l.Text, "the kubelet no longer reaches") {
				t.Errorf("%s: %q", tt.mode, l.Text)
			}
		}
		if diff := cmp.Diff(tt.loses, loses); diff != "" {
			t.Errorf("%s, port %d: loses (-want +got):\n%s", tt.mode, tt.port, diff)
		}
		if taken := target.TakesAPI(f); taken != (tt.command != "") {
			t.Errorf("%s, port %d: takes the apiserver's port: %v", tt.mode, tt.port, taken)
		}
		if tt.command == "" {
			continue
		}
		if steps := explain.ForgetRules(f, netip.AddrPortFrom(target.Address, 6443), []string{"cdev02", "cdev03"}); len(steps) != 1 || steps[0].Line().String() != tt.command {
			t.Errorf("%s: steps %+v, want %s", tt.mode, steps, tt.command)
		}
		want := "cdev01, with kubectl --server=https://127.0.0.1:6443 --tls-server-name=192.168.10.114 (the apiserver's loopback, which the Service does not take)"
		if got := explain.ByLoopback(f, target); got != want {
			t.Errorf("by loopback: %s", got)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		names []string
		want  string
	}{
		{nil, "no node"}, {[]string{"a"}, "a"}, {[]string{"a", "b"}, "a and b"}, {[]string{"a", "b", "c", "d"}, "a, b, c and d"},
		{[]string{"a", "b", "c", "d", "e"}, "a, b, c and 2 more"},
	} {
		if got := explain.Names(tt.names); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.names, got, tt.want)
		}
	}
}
