// SPDX-License-Identifier: Apache-2.0

package bypass

import (
	"net/netip"
	"slices"

	"whohas/dataplane"
)

// decision is what the rules make of what the host itself sends to an address.
type decision struct {
	over bool           // not the local table's entry decides
	rule dataplane.Rule // that led over the local table
}

// decides walks the rules as the kernel does (linux net/core/fib_rules.c
// fib_rules_lookup). A rule that asks more of a packet than where it goes is taken for
// one that does not match; if it looks up the local table, nothing is known.
func (c *chain) decides(ip netip.Addr) decision {
	var d decision
	for i := 0; i < len(c.rules); i++ {
		r := c.rules[i]
		to := !r.To.IsValid() || r.To.Contains(ip)
		switch {
		case !bare(r) && to && r.Table == dataplane.TableLocal && r.Type == "" && r.Goto == 0:
			return decision{}
		case !bare(r) || !to || r.Type == "nop":
		case r.Goto > 0:
			next := slices.IndexFunc(c.rules, func(o dataplane.Rule) bool { return o.Priority == r.Goto })
			if next < 0 || next <= i { // unresolved: the rule is passed over
				continue
			}
			if slices.ContainsFunc(c.rules[i:next], isLocal) {
				d.rule = r
			}
			i = next - 1
		case r.Type != "": // blackhole, unreachable, prohibit
			return decision{}
		case r.Table == dataplane.TableLocal:
			return decision{}
		case c.leads(r, ip):
			if d.rule == (dataplane.Rule{}) {
				d.rule = r
			}
			d.over = true
			return d
		}
	}
	return decision{}
}

// leads reports whether the table of a rule has a route to an address, on another device
// than one that has the address itself: of IPv6 each address brings a route of its own.
func (c *chain) leads(r dataplane.Rule, ip netip.Addr) bool {
	route, ok := bestRoute(c.host, r.Table, ip)
	return ok && route.To.Bits() >= r.Suppress && !holds(c.host, route.Link, ip)
}

// bestRoute is the longest that leads to an address in a table, of those the one with
// the lowest metric.
func bestRoute(h *dataplane.Host, table int, ip netip.Addr) (dataplane.Route, bool) {
	var best dataplane.Route
	found := false
	for _, o := range h.Routes {
		to := o.To
		if !to.IsValid() { // a default route
			to = netip.PrefixFrom(unspecified(o, ip), 0)
		}
		if o.Table != table || o.Type != "unicast" || o.Dead || !to.Contains(ip) {
			continue
		}
		if longer := to.Bits() - best.To.Bits(); !found || longer > 0 || longer == 0 && o.Metric < best.Metric {
			best, found = o, true
			best.To = to
		}
	}
	return best, found
}

func unspecified(r dataplane.Route, ip netip.Addr) netip.Addr {
	if r.Via.Is6() || !r.Via.IsValid() && ip.Is6() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

func holds(h *dataplane.Host, link string, ip netip.Addr) bool {
	return slices.ContainsFunc(h.Addresses, func(a dataplane.Address) bool { return a.Link == link && a.Prefix.Addr() == ip })
}
