// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"whohas/dataplane"
)

// route is a Route whose table may still be a name.
type route struct {
	dataplane.Route
	table string
}

// number reads a whole number that fits.
func number(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 0, 32)
	return int(n), err == nil
}

// isRouteType knows ip's words for the types (iproute2 v6.1 lib/rt_names.c, ip/rtm_map.c).
func isRouteType(text string) bool {
	return slices.Contains([]string{"unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit", "throw", "nat", "xresolve"}, text)
}

// destination reads a route's destination; without a prefix it is one address.
func destination(text, family string) (netip.Prefix, bool) {
	if text == "default" || text == "all" {
		if family == "6" {
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), true
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
	}
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		return netip.PrefixFrom(a, a.BitLen()), err == nil
	}
	p, err := netip.ParsePrefix(text)
	return p, err == nil
}

func (b *output) parseRoutes() {
	var several *route // whose next hops come
	for i, line := range b.lines {
		parts := strings.Split(line, `\`) // ip -o
		for _, part := range parts {
			f := strings.Fields(part)
			switch {
			case len(f) == 0:
			case f[0] == "nexthop":
				if several == nil || !b.nextHop(*several, f[1:]) {
					b.complain(i)
				}
			default:
				several = b.routeLine(i, f, len(parts) > 1 || hasHops(b.lines[i+1:]))
			}
		}
	}
}

// routeLine keeps a route, or gives back one whose next hops come.
func (b *output) routeLine(i int, f []string, hops bool) *route {
	r, ok, rest := b.route(f)
	if !ok {
		b.complain(i)
		return nil
	}
	if rest {
		b.unknown(i)
	}
	b.facts.any = true
	if hops {
		return &r
	}
	b.facts.routes = append(b.facts.routes, r)
	return nil
}

// hasHops reports whether the next line is a next hop.
func hasHops(lines []string) bool {
	return len(lines) > 0 && strings.HasPrefix(strings.TrimSpace(lines[0]), "nexthop ")
}

func (b *output) nextHop(r route, f []string) bool {
	read := routeReader{route: &r, weighted: true}
	if !read.all(f) || r.Weight == 0 {
		return false
	}
	b.facts.routes = append(b.facts.routes, r)
	return true
}

// route reads a line of ip route (iproute2 v6.1 ip/iproute.c print_route); rest
// tells that something behind it was not understood.
func (b *output) route(f []string) (r route, ok, rest bool) {
	r = route{Route: dataplane.Route{Type: "unicast", Protocol: "boot", Scope: "global"}, table: "main"}
	if b.command.table != "" && b.command.table != "all" {
		r.table = b.command.table
	}
	if isRouteType(f[0]) {
		r.Type, f = f[0], f[1:]
	}
	if len(f) == 0 {
		return r, false, false
	}
	to, ok := destination(f[0], routeFamily(b.command.family, f[1:]))
	if !ok {
		return r, false, false
	}
	r.To = to
	read := routeReader{route: &r}
	whole := read.all(f[1:])
	return r, read.read > 0 || whole, !whole
}

// routeFamily is that of "default": its gateway's, or IPv6 where the line has what
// only that has.
func routeFamily(family string, f []string) string {
	if via, err := netip.ParseAddr(word(f, "via")); family == "" && (err == nil && via.Is6() || slices.Contains(f, "pref")) {
		return "6"
	}
	return family
}

type routeReader struct {
	*route
	weighted bool
	read     int // words that were understood
}

// all reads the words behind the destination, as far as they are known.
func (r *routeReader) all(f []string) bool {
	for len(f) > 0 {
		n := r.one(f)
		if n == 0 || n > len(f) {
			return false
		}
		r.read += n
		f = f[n:]
	}
	return true
}

// one reads one property and gives the number of its words; 0: it is not known.
func (r *routeReader) one(f []string) int {
	switch f[0] {
	case "onlink":
		r.Onlink = true
	case "dead":
		r.Dead = true
	case "linkdown", "pervasive", "offload", "trap", "rt_offload", "rt_trap", "rt_offload_failed", "offload_failed", "notify", "cache", "cloned", "unresolved":
	default:
		if len(f) < 2 || !r.pair(f) {
			return 0
		}
		switch {
		case f[0] == "encap":
			return r.encap(f)
		case f[0] == "via" && (f[1] == "inet" || f[1] == "inet6"), f[1] == "lock":
			return 3
		}
		return 2
	}
	return 1
}

func (r *routeReader) pair(f []string) bool {
	ok := true
	switch value := f[1]; f[0] {
	case "via":
		if value == "inet" || value == "inet6" { // a gateway of the other family
			if len(f) < 3 {
				return false
			}
			value = f[2]
		}
		r.Via, ok = addrOf(value)
		if r.Via.IsValid() && r.Via.IsUnspecified() {
			r.Via = netip.Addr{}
		}
	case "dev":
		r.Link = value
	case "table":
		r.table = value
	case "proto", "protocol":
		r.Protocol = protocolOf(value)
	case "scope":
		r.Scope = value
	case "src":
		r.Source, ok = addrOf(value)
	case "metric":
		r.Metric, ok = number(value)
	case "tos", "dsfield":
		r.TOS, ok = tosOf(value)
	case "weight":
		r.Weight, ok = number(value)
		ok = ok && r.weighted
	case "encap":
	default: // what is not kept
		ok = slices.Contains([]string{"mtu", "advmss", "hoplimit", "initcwnd", "initrwnd", "rtt", "rttvar", "ssthresh", "cwnd", "reordering", "rto_min", "quickack",
			"congctl", "features", "expires", "error", "users", "used", "age", "pref", "nhid", "realm", "realms", "mark", "uid", "ttl-propagate", "fastopen_no_cookie"}, f[0])
	}
	return ok
}

// tosOf reads ip's 0x10, or a name that it has for a few.
func tosOf(text string) (int, bool) {
	if n, ok := number(text); ok {
		return n, true
	}
	n, ok := map[string]int{"default": 0, "lowdelay": 0x10, "throughput": 0x08, "reliability": 0x04, "mincost": 0x02}[text]
	return n, ok
}

// encap keeps ip's words up to the next hop's own.
func (r *routeReader) encap(f []string) int {
	n := 1
	for n < len(f) && f[n] != "via" && f[n] != "dev" {
		n++
	}
	r.Other = strings.Join(f[:n], " ")
	return n
}

// protocolOf is who made a route, in source/host's words: it has no names for the
// numbers that hardly anybody uses.
func protocolOf(name string) string {
	switch name {
	case "unspec":
		return ""
	case "gated":
		return "8"
	case "mrt":
		return "10"
	case "dnrouted":
		return "13"
	case "xorp":
		return "14"
	case "ntk":
		return "15"
	case "openr":
		return "99"
	}
	return name
}
