// SPDX-License-Identifier: Apache-2.0

package shield_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/bypass"
	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/diagnose"
	"whohas/shield"
	"whohas/snapshot"
)

func told(what, ip string) dataplane.ConfiguredServer {
	return dataplane.ConfiguredServer{What: what, For: "kubelet", Host: ip, IP: netip.MustParseAddr(ip), Port: 6443, File: "/etc/kubernetes/kubelet.conf", Line: 5}
}

func worker() dataplane.Host {
	return dataplane.Host{Name: "cdev02",
		Links:     []dataplane.Link{{Index: 2, Name: "eth0", MAC: "02:00:00:00:00:02", Up: true, Carrier: true}},
		Addresses: []dataplane.Address{{Link: "eth0", Prefix: netip.MustParsePrefix("192.168.10.115/24"), Scope: "global"}},
		Routes: []dataplane.Route{{Table: 254, Type: "unicast", To: netip.MustParsePrefix("192.168.10.0/24"), Link: "eth0"},
			{Table: 254, Type: "unicast", To: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("192.168.10.1"), Link: "eth0"}},
		Rules:      []dataplane.Rule{{Family: 4, Table: 255}, {Family: 4, Priority: 32766, Table: 254}},
		Configured: []dataplane.ConfiguredServer{told("apiserver", "192.168.10.114"), told("resolver", "192.168.10.53")},
	}
}

// master is a second host that was read: its kernel shows whose the address is.
func master() dataplane.Host {
	return dataplane.Host{Name: "cdev01", Links: []dataplane.Link{{Index: 2, Name: "eth0", Up: true, Carrier: true}},
		Addresses: []dataplane.Address{{Link: "eth0", Prefix: netip.MustParsePrefix("192.168.10.114/24"), Scope: "global"}}}
}

func declared(ip string) claim.Claim {
	ref := snapshot.Ref{Kind: "Declared", Name: "another host"}
	return claim.Claim{Range: claim.Single(netip.MustParseAddr(ip)), Kind: "declared.another host", Role: claim.Reserved, By: ref, Owner: ref}
}

func planned(complete bool, owners []claim.Claim, hosts ...dataplane.Host) shield.Plan {
	into := &snapshot.Builder{}
	for _, h := range hosts {
		into.AddHost(h)
	}
	if complete {
		kinds := []snapshot.Kind{cluster.ServiceKind}
		for _, c := range claimants.All() {
			kinds = append(kinds, c.Of)
		}
		for _, k := range kinds {
			into.Cover(snapshot.Coverage{Source: k.Source(), Status: snapshot.StatusRead, Complete: true})
		}
	}
	s := into.Snapshot()
	return shield.Make(diagnose.Seen{Host: s.Host("cdev02"), Snapshot: s, Facts: cluster.Infer(s, "", ""), View: claimants.View(s, owners...)})
}

// TestMake: what is shielded, and why the rest is not.
func TestMake(t *testing.T) {
	for _, test := range []struct {
		name     string
		change   func(*dataplane.Host)
		complete bool
		owners   []claim.Claim
		more     []dataplane.Host
		want     []string
		left     []string // the beginning of the reason
	}{
		{name: "an apiserver that only a kubeconfig names may be a virtual address", left: []string{
			"192.168.10.1 it may be a Service's: not all", "192.168.10.53 it may be a Service's: not all", "192.168.10.114 nothing here says that it is a host's own"}},
		{name: "it is another host's own", more: []dataplane.Host{master()}, want: []string{"192.168.10.114"},
			left: []string{"192.168.10.1 it may be", "192.168.10.53 it may be"}},
		{name: "it is declared", owners: []claim.Claim{declared("192.168.10.114")}, want: []string{"192.168.10.114"},
			left: []string{"192.168.10.1 it may be", "192.168.10.53 it may be"}},
		{name: "all Services and pools are known", complete: true, want: []string{"192.168.10.1", "192.168.10.53"}, left: []string{"192.168.10.114 nothing"}},
		{name: "the resolver is a ClusterIP", complete: true, change: func(h *dataplane.Host) {
			h.Sets = []dataplane.Set{{Name: "KUBE-CLUSTER-IP", Type: "hash:ip,port", Members: []string{"192.168.10.53,udp:53"}}}
		}, want: []string{"192.168.10.1"}, left: []string{"192.168.10.53 it is a ClusterIP", "192.168.10.114 nothing"}},
		{name: "node-local DNS has the resolver's address", complete: true, change: func(h *dataplane.Host) {
			h.Addresses = append(h.Addresses, dataplane.Address{Link: "nodelocaldns", Prefix: netip.MustParsePrefix("192.168.10.53/32"), Scope: "global"})
		}, want: []string{"192.168.10.1"}, left: []string{"192.168.10.53 it is this host's own", "192.168.10.114 nothing"}},
		{name: "the host is the owner", owners: []claim.Claim{declared("192.168.10.115")}, complete: true, want: []string{"192.168.10.1", "192.168.10.53"},
			left: []string{"192.168.10.114 nothing", "192.168.10.115 it is this host's own"}},
		{name: "it is configured to be the owner, and its card is down", owners: []claim.Claim{declared("192.168.10.114")}, complete: true, change: func(h *dataplane.Host) {
			h.Agents = []dataplane.Agent{{Name: "kube-apiserver", Flags: map[string]string{"advertise-address": "192.168.10.114"}}}
		}, want: []string{"192.168.10.1", "192.168.10.53"}, left: []string{"192.168.10.114 it is this host's own"}},
		{name: "on a service device it is still another's", complete: true, more: []dataplane.Host{master()}, change: func(h *dataplane.Host) {
			h.Addresses = append(h.Addresses, dataplane.Address{Link: "kube-ipvs0", Prefix: netip.MustParsePrefix("192.168.10.114/32"), Scope: "global"})
		}, want: []string{"192.168.10.1", "192.168.10.53", "192.168.10.114"}},
		{name: "a time server", complete: true, change: func(h *dataplane.Host) { h.Configured = append(h.Configured, told("ntp", "192.168.10.60")) },
			want: []string{"192.168.10.1", "192.168.10.53", "192.168.10.60"}, left: []string{"192.168.10.114 nothing"}},
		{name: "loopback", change: func(h *dataplane.Host) {
			h.Configured = []dataplane.ConfiguredServer{told("apiserver", "127.0.0.1"), told("resolver", "169.254.20.10")}
			h.Routes = h.Routes[:1]
		}, complete: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := worker()
			if test.change != nil {
				test.change(&h)
			}
			p := planned(test.complete, test.owners, append(test.more, h)...)
			var got []string
			for _, ip := range p.Addresses() {
				got = append(got, ip.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("shielded (-want +got):\n%s", diff)
			}
			if len(p.Left) != len(test.left) {
				t.Errorf("left: %+v", p.Left)
			}
			for i := range min(len(p.Left), len(test.left)) {
				if text := p.Left[i].IP.String() + " " + p.Left[i].Why; !strings.HasPrefix(text, test.left[i]) {
					t.Errorf("left: %s, want %s", text, test.left[i])
				}
			}
		})
	}
}

// TestStanding: what stands is known again, and nothing is planned for it.
func TestStanding(t *testing.T) {
	h := worker()
	p := planned(false, []claim.Claim{declared("192.168.10.114")}, h)
	if len(p.Put) != 6 || len(p.Standing) != 0 {
		t.Fatalf("%+v", p)
	}
	p = planned(false, []claim.Claim{declared("192.168.10.114")}, *bypass.After(&h, p.Put))
	if len(p.Put) != 0 || len(p.Standing) != 1 || !p.Standing[0].InForce {
		t.Errorf("%+v", p)
	}
}
