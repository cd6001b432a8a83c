// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// readNeighbours reads the neighbour tables, the addresses answered for by proxy,
// and the forwarding databases of bridges and tunnels.
func readNeighbours(ctx context.Context, k rtnetlink, names linkNames) ([]dataplane.Neighbour, error) {
	var out []dataplane.Neighbour
	var failed error
	for _, ask := range []netlink.Ndmsg{
		{Family: unix.AF_INET}, {Family: unix.AF_INET6},
		{Family: unix.AF_INET, Flags: netlink.NTF_PROXY}, {Family: unix.AF_INET6, Flags: netlink.NTF_PROXY},
		{Family: unix.AF_BRIDGE},
	} {
		if err := k.Bound(ctx); err != nil {
			return out, err
		}
		list, err := whole(ctx, func() ([]netlink.Neigh, error) { return k.NeighListExecute(ask) })
		for _, n := range list {
			if kept(n) {
				out = append(out, neighbour(n, names))
			}
		}
		if err != nil {
			failed = err
		}
	}
	slices.SortFunc(out, func(a, b dataplane.Neighbour) int {
		return cmp.Or(strings.Compare(a.Link, b.Link), a.IP.Compare(b.IP), strings.Compare(a.MAC, b.MAC), strings.Compare(a.State, b.State))
	})
	return slices.Compact(out), failed
}

// kept leaves out what ip neigh does not show either: entries that stand for no
// neighbour, and the multicast addresses that cards listen to, which a forwarding
// database lists too.
func kept(n netlink.Neigh) bool {
	if n.Family == unix.AF_BRIDGE {
		return !multicast(n.HardwareAddr) && (n.MasterIndex != 0 || n.IP != nil)
	}
	return n.Flags&netlink.NTF_PROXY != 0 || n.State&^(netlink.NUD_NOARP|netlink.NUD_NONE) != 0
}

func multicast(a net.HardwareAddr) bool { return len(a) > 0 && a[0]&1 == 1 }

func neighbour(n netlink.Neigh, names linkNames) dataplane.Neighbour {
	forward := n.Family == unix.AF_BRIDGE
	out := dataplane.Neighbour{Link: names.name(n.LinkIndex), IP: addr(n.IP), State: neighbourState(n.State), Proxy: n.Flags&netlink.NTF_PROXY != 0, Forward: forward}
	if len(n.HardwareAddr) == 6 {
		out.MAC = n.HardwareAddr.String() // all zero in a tunnel's database: every other
	}
	if out.Proxy {
		out.State = ""
	}
	return out
}

// neighbourState names a state as ip does; an entry of a forwarding database may
// have several.
func neighbourState(n int) string {
	for _, s := range []struct {
		bit  int
		name string
	}{
		{netlink.NUD_PERMANENT, "PERMANENT"}, {netlink.NUD_REACHABLE, "REACHABLE"}, {netlink.NUD_STALE, "STALE"}, {netlink.NUD_DELAY, "DELAY"},
		{netlink.NUD_PROBE, "PROBE"}, {netlink.NUD_INCOMPLETE, "INCOMPLETE"}, {netlink.NUD_FAILED, "FAILED"}, {netlink.NUD_NOARP, "NOARP"},
	} {
		if n&s.bit != 0 {
			return s.name
		}
	}
	return ""
}
