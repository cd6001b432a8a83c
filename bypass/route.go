// SPDX-License-Identifier: Apache-2.0

package bypass

import (
	"net/netip"
	"slices"

	"whohas/dataplane"
)

// sourceMetric puts our route before the one that the address on the service device
// brings, whose metric is 256 (linux include/uapi/linux/ipv6_route.h IP6_RT_PRIO_ADDRCONF).
const sourceMetric = 1

// sourceRoute is what IPv6 needs beside the rule: the source of a packet is chosen by
// RFC 6724, whose first rule prefers the destination itself where a host has it, on
// whichever device (linux net/ipv6/addrconf.c ipv6_get_saddr_eval). A route to the one
// address says which source to take.
func sourceRoute(h *dataplane.Host, ip netip.Addr) (dataplane.Route, bool) {
	if !ip.Is6() {
		return dataplane.Route{}, false
	}
	r, ok := routeBeside(h, ip)
	if !ok || isSourceRoute(r) {
		return dataplane.Route{}, false
	}
	source, ok := sourceOn(h, r.Link, ip)
	if !ok {
		return dataplane.Route{}, false
	}
	return dataplane.Route{Table: dataplane.TableMain, Type: "unicast", To: netip.PrefixFrom(ip, ip.BitLen()), Via: r.Via, Link: r.Link,
		Source: source, Protocol: "kernel", Metric: sourceMetric}, true
}

// routeBeside is the main table's route to an address, that of a device which holds it
// left out.
func routeBeside(h *dataplane.Host, ip netip.Addr) (dataplane.Route, bool) {
	others := *h
	others.Routes = slices.DeleteFunc(slices.Clone(h.Routes), func(r dataplane.Route) bool { return holds(h, r.Link, ip) })
	return bestRoute(&others, dataplane.TableMain, ip)
}

// isSourceRoute reports whether a route has the form of ours.
func isSourceRoute(r dataplane.Route) bool {
	return r.To.IsValid() && r.To.IsSingleIP() && r.To.Addr().Is6() && r.Table == dataplane.TableMain && r.Type == "unicast" &&
		r.Metric == sourceMetric && r.Protocol == "kernel" && r.Source.IsValid()
}

// sourceOn is the address that a host sends from on a device, of the destination's
// subnet if there is one.
func sourceOn(h *dataplane.Host, link string, to netip.Addr) (netip.Addr, bool) {
	var source netip.Addr
	for _, a := range h.Addresses {
		ip := a.Prefix.Addr()
		if a.Link != link || !ip.Is6() || ip == to || a.Failed || a.Tentative || ip.IsLinkLocalUnicast() != to.IsLinkLocalUnicast() {
			continue
		}
		if a.Prefix.Masked().Contains(to) {
			return ip, true
		}
		if !source.IsValid() {
			source = ip
		}
	}
	return source, source.IsValid()
}
