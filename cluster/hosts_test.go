// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"strings"
	"testing"

	"whohas/cluster"
	"whohas/dataplane"
	"whohas/snapshot"
)

// Hosts as each mode leaves them.
func ipvsHost(name string) dataplane.Host {
	return dataplane.Host{Name: name, Links: []dataplane.Link{{Name: "kube-ipvs0", Kind: "dummy"}}, Servers: []dataplane.VirtualServer{{Port: 443}},
		Tables: []dataplane.Table{{Backend: "nft", Family: "ip", Name: "nat", Chains: []dataplane.Chain{{Name: "KUBE-SERVICES"}, {Name: "KUBE-MARK-MASQ"}}}}}
}

func iptablesHost(name string) dataplane.Host {
	chains := []dataplane.Chain{{Name: "KUBE-SERVICES"}, {Name: "KUBE-SVC-NPX46M4PTMTKRN6Y"}}
	return dataplane.Host{Name: name, Tables: []dataplane.Table{{Backend: "legacy", Family: "ip", Name: "nat", Chains: chains}, {Backend: "legacy", Family: "ip6", Name: "nat", Chains: chains}}}
}

func nftablesHost(name string) dataplane.Host {
	return dataplane.Host{Name: name, Tables: []dataplane.Table{{Backend: "nftables", Family: "ip", Name: "kube-proxy"}, {Backend: "nftables", Family: "ip6", Name: "kube-proxy"}}}
}

func TestModeOfHosts(t *testing.T) {
	stale := iptablesHost("a") // the device of the time before
	stale.Links = []dataplane.Link{{Name: "kube-ipvs0", Kind: "dummy"}}
	both := iptablesHost("a")
	both.Links, both.Servers = ipvsHost("a").Links, ipvsHost("a").Servers
	router := ipvsHost("a")
	router.Links[0].Name = "kube-dummy-if"
	silent := dataplane.Host{Name: "s", Unread: []string{"ipvs", "iptables"}}
	for _, tt := range []struct {
		name       string
		configured string
		hosts      []dataplane.Host
		want       dataplane.ProxyMode
		from       string
		router     bool
	}{
		{"ipvs", "", []dataplane.Host{ipvsHost("a"), silent}, dataplane.IPVS, "host a: kube-ipvs0 and virtual servers", false},
		{"kube-router", "", []dataplane.Host{router}, dataplane.IPVS, "host a: kube-dummy-if and virtual servers", true},
		{"iptables", "", []dataplane.Host{iptablesHost("a")}, dataplane.IPTables, "host a: chains KUBE-SVC- in table nat", false},
		{"nftables", "", []dataplane.Host{nftablesHost("a")}, dataplane.NFTables, "host a: table kube-proxy of nftables", false},
		{"a device alone is no sign", "", []dataplane.Host{stale}, dataplane.IPTables, "host a: chains KUBE-SVC- in table nat", false},
		{"two signs are none", "", []dataplane.Host{both}, dataplane.ModeUnknown, "no proxy configuration among what was read", false},
		{"nothing seen", "", []dataplane.Host{silent}, dataplane.ModeUnknown, "no proxy configuration among what was read", false},
		{"disagreement", "", []dataplane.Host{ipvsHost("a"), iptablesHost("b")}, dataplane.ModeUnknown,
			"host a: kube-ipvs0 and virtual servers (ipvs), but host b: chains KUBE-SVC- in table nat (iptables)", false},
		{"disagreement beats a configuration", "ipvs", []dataplane.Host{ipvsHost("a"), iptablesHost("b")}, dataplane.ModeUnknown,
			"host a: kube-ipvs0 and virtual servers (ipvs), but host b: chains KUBE-SVC- in table nat (iptables); KubeProxyConfiguration config says ipvs", false},
		{"fallen back", "ipvs", []dataplane.Host{iptablesHost("a"), iptablesHost("b")}, dataplane.IPTables,
			"host a: chains KUBE-SVC- in table nat; KubeProxyConfiguration config says ipvs", false},
		{"agreement", "ipvs", []dataplane.Host{ipvsHost("a")}, dataplane.IPVS, "KubeProxyConfiguration config", false},
		{"two signs and a configuration", "iptables", []dataplane.Host{both}, dataplane.IPTables, "KubeProxyConfiguration config", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b snapshot.Builder
			for _, h := range tt.hosts {
				b.AddHost(h)
			}
			if tt.configured != "" {
				b.AddObject(configured("KubeProxyConfiguration", "kubeproxy.config.k8s.io", "mode", tt.configured))
			}
			f := cluster.Infer(b.Snapshot(), "", "")
			var from []string
			for _, c := range f.Conclusions {
				if c.Subject == "proxy mode" {
					from = append(from, c.From)
				}
			}
			if f.Mode != tt.want || strings.Join(from, "|") != tt.from || f.KubeRouter != tt.router {
				t.Errorf("%s from %q, kube-router %v; want %s from %q", f.Mode, from, f.KubeRouter, tt.want, tt.from)
			}
		})
	}
}

// TestModeOfReplacement: what Cilium replaced may still lie about.
func TestModeOfReplacement(t *testing.T) {
	var b snapshot.Builder
	b.AddHost(iptablesHost("a"))
	o := configured("FelixConfiguration", "crd.projectcalico.org", "spec", "")
	o.Root.Items[0] = snapshot.Value{Kind: snapshot.Map, Keyset: snapshot.KeysetOf("bpfEnabled"), Items: []snapshot.Value{{Kind: snapshot.Bool, Text: "true"}}}
	b.AddObject(o)
	if f := cluster.Infer(b.Snapshot(), "", ""); f.Mode != dataplane.EBPF {
		t.Errorf("%s from %s", f.Mode, f.ModeFrom)
	}
	if f := cluster.Infer(b.Snapshot(), dataplane.IPVS, "--proxy-mode"); f.Mode != dataplane.IPVS || f.ModeFrom != "--proxy-mode" {
		t.Errorf("%s from %s", f.Mode, f.ModeFrom)
	}
}

func configured(kind, group, key, text string) *snapshot.Object {
	return &snapshot.Object{Ref: snapshot.Ref{Kind: kind, Group: group, Name: "config"},
		Root: snapshot.Value{Kind: snapshot.Map, Keyset: snapshot.KeysetOf(key), Items: []snapshot.Value{{Kind: snapshot.String, Text: text}}}}
}
