// SPDX-License-Identifier: Apache-2.0

package repair

import (
	"fmt"
	"net/netip"
	"slices"

	"whohas/dataplane"
)

// Lost lists the BGP peers that a host does not reach while addresses are taken: on
// one that holds them, their owners; on an owner all whose session is down, as they
// drop what it sends. Sorted, each once.
func Lost(h *dataplane.Host, taken ...netip.Addr) []netip.Addr {
	own := slices.ContainsFunc(h.Addresses, func(a dataplane.Address) bool {
		return isOwn(a) && slices.Contains(taken, a.Prefix.Addr())
	})
	var out []netip.Addr
	for _, s := range h.Sessions {
		if peer := s.Peer; s.State != established && (own || slices.Contains(taken, peer)) {
			out = append(out, peer)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

const established = "Established"

// Missing tells what is not back of the sessions with some peers, and of the routes
// through an IPIP tunnel that come with them. Where no such tunnel carries a route to
// anybody, none is expected.
func Missing(h *dataplane.Host, peers []netip.Addr) []string {
	var out []string
	for _, peer := range peers {
		i := slices.IndexFunc(h.Sessions, func(s dataplane.Session) bool { return s.Peer == peer })
		switch {
		case i < 0:
			out = append(out, fmt.Sprintf("BGP session with %s: none", peer))
		case h.Sessions[i].State != established:
			out = append(out, fmt.Sprintf("BGP session with %s: %s", peer, h.Sessions[i].State))
		case tunnelled(h, netip.Addr{}) && !tunnelled(h, peer):
			out = append(out, fmt.Sprintf("route through the tunnel to %s", peer))
		}
	}
	return out
}

// MissingRoutes lists the peers whose session is up and by which no route leads: while a
// peer's address is local the kernel refuses one through a tunnel to it, whatever the
// rules say (linux net/ipv4/fib_semantics.c fib_check_nh_nongw, onlink). A peer may have
// no routes to give; the caller bounds its patience.
func MissingRoutes(h *dataplane.Host, peers []netip.Addr) []string {
	var out []string
	for _, peer := range peers {
		up := slices.ContainsFunc(h.Sessions, func(s dataplane.Session) bool { return s.Peer == peer && s.State == established })
		if up && !slices.ContainsFunc(h.Routes, func(r dataplane.Route) bool { return r.Via.IsValid() && r.Via == peer }) {
			out = append(out, fmt.Sprintf("the routes by %s", peer))
		}
	}
	return out
}

// tunnelled reports whether a route leads through an IPIP device over a peer; over
// anybody, if none is given.
func tunnelled(h *dataplane.Host, peer netip.Addr) bool {
	return slices.ContainsFunc(h.Routes, func(r dataplane.Route) bool {
		ipip := slices.ContainsFunc(h.Links, func(l dataplane.Link) bool { return l.Name == r.Link && l.Kind == "ipip" })
		return ipip && r.Type == "unicast" && r.Via.IsValid() && (!peer.IsValid() || r.Via == peer)
	})
}
