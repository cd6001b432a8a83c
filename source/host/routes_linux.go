// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// readRoutes reads all tables of both families.
func readRoutes(ctx context.Context, k rtnetlink, names linkNames) ([]dataplane.Route, error) {
	var out []dataplane.Route
	var err error
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		var list []dataplane.Route
		if err = k.Bound(ctx); err == nil {
			list, err = whole(ctx, func() ([]dataplane.Route, error) { return familyRoutes(ctx, k, family, names) })
			out = append(out, list...)
		}
		if err != nil {
			break
		}
	}
	slices.SortFunc(out, compareRoutes)
	return out, err
}

// familyRoutes asks for table 0, which is all of them. The routes come one by one:
// the library's list is lost with an interruption.
func familyRoutes(ctx context.Context, k rtnetlink, family int, names linkNames) ([]dataplane.Route, error) {
	var out []dataplane.Route
	err := k.RouteListFilteredIter(family, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE, func(r netlink.Route) bool {
		out = append(out, routes(r, names)...)
		return ctx.Err() == nil
	})
	return out, err
}

// routes are a route's next hops, each as a route.
func routes(r netlink.Route, names linkNames) []dataplane.Route {
	base := dataplane.Route{
		Table: r.Table, Type: routeType(r.Type), Source: addr(r.Src),
		Scope: scope(int(r.Scope)), Protocol: routeProtocol(int(r.Protocol)), Metric: r.Priority, TOS: r.Tos,
	}
	if r.Dst != nil {
		base.To = prefix(r.Dst.IP, r.Dst.Mask)
	}
	if len(r.MultiPath) == 0 {
		one := hop{r.LinkIndex, r.Gw, r.Via, r.Encap, r.Flags}
		return []dataplane.Route{one.on(base, names)}
	}
	var out []dataplane.Route
	for _, h := range r.MultiPath {
		one := hop{h.LinkIndex, h.Gw, h.Via, h.Encap, h.Flags}.on(base, names)
		one.Weight = h.Hops + 1 // rtnh_hops is one less than the weight
		out = append(out, one)
	}
	return out
}

// hop is a next hop.
type hop struct {
	link    int
	gateway net.IP
	via     netlink.Destination // a gateway of the other family
	encap   netlink.Encap
	flags   int
}

func (h hop) on(r dataplane.Route, names linkNames) dataplane.Route {
	r.Link, r.Via = names.name(h.link), addr(h.gateway)
	if v, ok := h.via.(*netlink.Via); ok && v != nil {
		r.Via = addr(v.Addr)
	}
	r.Onlink = h.flags&unix.RTNH_F_ONLINK != 0
	r.Dead = h.flags&unix.RTNH_F_DEAD != 0
	if h.encap != nil {
		r.Other = "encap " + h.encap.String()
	}
	return r
}

func compareRoutes(a, b dataplane.Route) int {
	return cmp.Or(a.Table-b.Table, a.To.Addr().Compare(b.To.Addr()), a.To.Bits()-b.To.Bits(), a.Metric-b.Metric, a.TOS-b.TOS,
		strings.Compare(a.Type, b.Type), strings.Compare(a.Link, b.Link), a.Via.Compare(b.Via), a.Source.Compare(b.Source),
		strings.Compare(a.Protocol, b.Protocol), a.Weight-b.Weight, strings.Compare(a.Scope, b.Scope), strings.Compare(a.Other, b.Other))
}

// routeType names the types of routes as ip does.
func routeType(n int) string {
	names := [...]string{unix.RTN_UNSPEC: "unspec", unix.RTN_UNICAST: "unicast", unix.RTN_LOCAL: "local", unix.RTN_BROADCAST: "broadcast",
		unix.RTN_ANYCAST: "anycast", unix.RTN_MULTICAST: "multicast", unix.RTN_BLACKHOLE: "blackhole", unix.RTN_UNREACHABLE: "unreachable",
		unix.RTN_PROHIBIT: "prohibit", unix.RTN_THROW: "throw", unix.RTN_NAT: "nat", unix.RTN_XRESOLVE: "xresolve"}
	if n >= 0 && n < len(names) {
		return names[n]
	}
	return strconv.Itoa(n)
}

// routeProtocol names who made a route, as iproute2's rt_protos does.
func routeProtocol(n int) string {
	switch n {
	case unix.RTPROT_UNSPEC:
		return ""
	case unix.RTPROT_REDIRECT:
		return "redirect"
	case unix.RTPROT_KERNEL:
		return "kernel"
	case unix.RTPROT_BOOT:
		return "boot"
	case unix.RTPROT_STATIC:
		return "static"
	case unix.RTPROT_RA:
		return "ra"
	case unix.RTPROT_ZEBRA:
		return "zebra"
	case unix.RTPROT_BIRD:
		return "bird"
	case unix.RTPROT_DHCP:
		return "dhcp"
	case unix.RTPROT_KEEPALIVED:
		return "keepalived"
	case unix.RTPROT_BGP:
		return "bgp"
	case unix.RTPROT_OSPF:
		return "ospf"
	case unix.RTPROT_ISIS:
		return "isis"
	case unix.RTPROT_RIP:
		return "rip"
	case unix.RTPROT_EIGRP:
		return "eigrp"
	case unix.RTPROT_BABEL:
		return "babel"
	}
	return strconv.Itoa(n) // Felix uses 80 where it is told to
}
