// SPDX-License-Identifier: Apache-2.0

package dataplane

import "net/netip"

// Unmap writes IPv4 addresses in IPv6 (::ffff:192.0.2.1) as IPv4, in every field. Whoever
// makes a Host does that once; nobody behind does. Where there is none nothing is written:
// others may read meanwhile.
func (h *Host) Unmap() {
	for i := range h.Links {
		unmap(&h.Links[i].Local, &h.Links[i].Remote)
	}
	for i := range h.Addresses {
		unmap(&h.Addresses[i].Peer)
		unmapPrefix(&h.Addresses[i].Prefix)
	}
	for i := range h.Routes {
		unmap(&h.Routes[i].Via, &h.Routes[i].Source)
		unmapPrefix(&h.Routes[i].To)
	}
	for i := range h.Rules {
		unmapPrefix(&h.Rules[i].From, &h.Rules[i].To)
	}
	for i := range h.Neighbours {
		unmap(&h.Neighbours[i].IP)
	}
	for i := range h.Servers {
		unmap(&h.Servers[i].IP)
		for j := range h.Servers[i].Servers {
			unmap(&h.Servers[i].Servers[j].IP)
		}
	}
	for i := range h.Listeners {
		unmap(&h.Listeners[i].IP)
	}
	h.unmapStation()
}

// unmapStation is the same for what runs on the host.
func (h *Host) unmapStation() {
	for i := range h.Configured {
		unmap(&h.Configured[i].IP)
	}
	for i := range h.Sessions {
		unmap(&h.Sessions[i].Peer)
	}
	for i := range h.Connects {
		unmap(&h.Connects[i].Local)
		if to := &h.Connects[i].To; to.Addr().Is4In6() {
			*to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
		}
	}
	for i := range h.Sandboxes {
		unmap(&h.Sandboxes[i].IP)
	}
	for i := range h.Replies {
		unmap(&h.Replies[i].IP)
	}
}

func unmap(all ...*netip.Addr) {
	for _, ip := range all {
		if ip.Is4In6() {
			*ip = ip.Unmap()
		}
	}
}

// unmapPrefix leaves ranges alone: a host may have the route ::ffff:0.0.0.0/96, which is
// none of IPv4 (systemd makes it unreachable).
func unmapPrefix(all ...*netip.Prefix) {
	for _, p := range all {
		if ip := p.Addr().Unmap(); p.Addr().Is4In6() && p.IsSingleIP() {
			*p = netip.PrefixFrom(ip, ip.BitLen())
		}
	}
}
