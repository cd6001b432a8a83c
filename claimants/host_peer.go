// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"net/netip"
	"strings"

	"whohas/claim"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/snapshot"
)

// HostSession is a BGP neighbour of a host's routing daemon.
var HostSession = add(Claimant{
	Kind: "host.bgpPeer",
	Role: claim.Reserved,
	Doc:  "A neighbour of a host's BGP daemon: another node, or a router, with which it exchanges the Pods' routes.",
	Host: func(h *dataplane.Host, yield Yield) {
		for _, s := range h.Sessions {
			if ip := plain(s.Peer); ofOneHost(ip) && !has(h, ip) {
				yield(peerClaim(h, ip, s.Speaker+"'s session "+s.Name, "bgp"))
			}
		}
	},
})

// KernelTunnelPeer is the far end of a tunnel.
var KernelTunnelPeer = add(Claimant{
	Kind: "kernel.tunnelPeer",
	Role: claim.Reserved,
	Doc:  "The far end of a host's tunnels: what a device is set to, where a forwarding database sends, the next hop of a route through a tunnel that has no subnet (IPIP). Another node has that address.",
	Host: func(h *dataplane.Host, yield Yield) {
		seen := map[netip.Addr]bool{}
		give := func(ip netip.Addr, table string) {
			if ip = plain(ip); ofOneHost(ip) && !ip.IsMulticast() && !seen[ip] && !has(h, ip) {
				seen[ip] = true
				yield(peerClaim(h, ip, table, "tunnel"))
			}
		}
		for _, l := range h.Links {
			if isTunnel(l) {
				give(l.Remote, "tunnel "+l.Name)
			}
		}
		for _, n := range h.Neighbours {
			if n.Forward {
				give(n.IP, "forwarding database of "+n.Link)
			}
		}
		for _, r := range h.Routes {
			// Of VXLAN's routes the next hop is the far end's tunnel address, not its own.
			if r.Onlink && linkOf(h, r.Link).Kind == "ipip" {
				give(r.Via, "next hop through "+r.Link)
			}
		}
	},
})

func peerClaim(h *dataplane.Host, ip netip.Addr, table, what string) claim.Claim {
	c := kernelClaim(h, ip, strings.TrimSpace(table))
	c.Text, c.Scope, c.Owner = ip.String(), claim.Scope{}, snapshot.Ref{Kind: "Reserved", Name: what}
	return c
}

// has reports whether a host has an address on a card of its own.
func has(h *dataplane.Host, ip netip.Addr) bool {
	for _, a := range h.Addresses {
		if plain(a.Prefix.Addr()) == ip && !kubeproxy.IsDevice(a.Link) {
			return true
		}
	}
	return false
}
