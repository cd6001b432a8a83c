// SPDX-License-Identifier: Apache-2.0

package repair_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"whohas/dataplane"
	"whohas/repair"
)

func TestMesh(t *testing.T) {
	master, peer := addr("192.168.10.114"), addr("192.168.10.116")
	host := func(own string, tunnels []netip.Addr, states ...string) *dataplane.Host {
		h := &dataplane.Host{Name: "n", Links: []dataplane.Link{{Name: "tunl0", Kind: "ipip"}},
			Addresses: []dataplane.Address{{Link: "eth0", Prefix: prefix(own)}, {Link: "kube-ipvs0", Prefix: prefix("192.168.10.114/32")}}}
		for i, ip := range []netip.Addr{master, peer} {
			h.Sessions = append(h.Sessions, dataplane.Session{Peer: ip, State: states[i]})
		}
		for _, via := range tunnels {
			h.Routes = append(h.Routes, dataplane.Route{Type: "unicast", Via: via, Link: "tunl0"})
		}
		return h
	}
	victim := host("192.168.10.115/24", []netip.Addr{peer}, "Active", "Established")
	for _, c := range []struct {
		name          string
		before, after *dataplane.Host
		lost          []netip.Addr
		missing       []string
	}{
		{"a victim, healed", victim, host("192.168.10.115/24", []netip.Addr{peer, master}, "Established", "Established"), []netip.Addr{master}, nil},
		{"its session is not back", victim, victim, []netip.Addr{master}, []string{"BGP session with 192.168.10.114: Active"}},
		{"its session is back, the route is not", victim, host("192.168.10.115/24", []netip.Addr{peer}, "Established", "Active"), []netip.Addr{master}, []string{"route through the tunnel to 192.168.10.114"}},
		{"no tunnel is in use", victim, host("192.168.10.115/24", nil, "Established", "Established"), []netip.Addr{master}, nil},
		{"the daemon is gone", victim, &dataplane.Host{}, []netip.Addr{master}, []string{"BGP session with 192.168.10.114: none"}},
		{"the owner lost all", host("192.168.10.114/24", nil, "Established", "Active"), &dataplane.Host{}, []netip.Addr{peer}, []string{"BGP session with 192.168.10.116: none"}},
		{"a router that is down is no concern of a victim's", host("192.168.10.115/24", nil, "Established", "Active"), victim, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			lost := repair.Lost(c.before, master, master) // asked for it, and it is a target
			if diff := cmp.Diff(c.lost, lost, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.missing, repair.Missing(c.after, lost)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLostOnce: a peer with two sessions is waited for once.
func TestLostOnce(t *testing.T) {
	master := addr("192.168.10.114")
	h := &dataplane.Host{Sessions: []dataplane.Session{{Peer: master, State: "Active"}, {Peer: master, State: "Connect"}}}
	if got := repair.Lost(h, master); len(got) != 1 || got[0] != master {
		t.Errorf("lost %v", got)
	}
}
