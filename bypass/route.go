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

// sourceRoute plans what IPv6 needs beside the rule: the source of a packet is chosen by
// RFC 6724, whose first rule prefers the destination itself where a host has it, on
// whichever device (linux net/ipv6/addrconf.c ipv6_get_saddr_eval). A route to the one
// address says which source to take. It goes with its device, and when that is up again it
// does not come back by itself; and it goes the way that the host's other routes go.
func sourceRoute(h *dataplane.Host, ip netip.Addr) []Change {
	if !ip.Is6() {
		return nil
	}
	r, ok := routeBeside(h, ip)
	if !ok {
		return nil
	}
	source, ok := sourceOn(h, r.Link, ip)
	if !ok {
		return nil
	}
	want := dataplane.Route{Table: dataplane.TableMain, Type: "unicast", To: netip.PrefixFrom(ip, ip.BitLen()), Via: r.Via, Link: r.Link,
		Source: source, Protocol: "kernel", Metric: sourceMetric}
	var out []Change
	for _, o := range h.Routes {
		switch {
		case !isSourceRoute(o) || o.To != want.To:
		case o.Via == want.Via && o.Link == want.Link && o.Source == want.Source:
			return nil
		default:
			out = append(out, Change{Take: true, Route: o})
		}
	}
	return append(out, Change{Route: want})
}

// routeBeside is the main table's route to an address, ours and that of a device which
// holds it left out.
func routeBeside(h *dataplane.Host, ip netip.Addr) (dataplane.Route, bool) {
	others := *h
	others.Routes = slices.DeleteFunc(slices.Clone(h.Routes), func(r dataplane.Route) bool { return isSourceRoute(r) || holds(h, r.Link, ip) })
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
