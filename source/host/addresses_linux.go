// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

func readAddresses(ctx context.Context, k rtnetlink, names linkNames) ([]dataplane.Address, error) {
	if err := k.Bound(ctx); err != nil {
		return nil, err
	}
	list, err := whole(ctx, func() ([]netlink.Addr, error) { return k.AddrList(nil, unix.AF_UNSPEC) })
	var out []dataplane.Address
	for _, a := range list {
		out = append(out, address(a, names))
	}
	slices.SortFunc(out, func(a, b dataplane.Address) int {
		return cmp.Or(strings.Compare(a.Link, b.Link), a.Prefix.Addr().Compare(b.Prefix.Addr()), a.Prefix.Bits()-b.Prefix.Bits(), a.Peer.Compare(b.Peer))
	})
	return slices.Compact(out), err
}

func address(a netlink.Addr, names linkNames) dataplane.Address {
	out := dataplane.Address{
		Link:      names.name(a.LinkIndex),
		Scope:     scope(a.Scope),
		Failed:    a.Flags&unix.IFA_F_DADFAILED != 0,
		Tentative: a.Flags&unix.IFA_F_TENTATIVE != 0,
		Dynamic:   a.Flags&unix.IFA_F_PERMANENT == 0,
	}
	if a.IPNet != nil {
		out.Prefix = prefix(a.IP, a.Mask)
	}
	// Of IPv6 the same bit means temporary (linux include/uapi/linux/if_addr.h).
	out.Secondary = a.Flags&unix.IFA_F_SECONDARY != 0 && out.Prefix.Addr().Is4()
	if a.Peer != nil {
		peer := prefix(a.Peer.IP, a.Peer.Mask)
		out.Peer = peer.Addr()
		out.Prefix = netip.PrefixFrom(out.Prefix.Addr(), peer.Bits())
	}
	return out
}

// scope names the scopes that every kernel has (linux include/uapi/linux/rtnetlink.h
// enum rt_scope_t).
func scope(n int) string {
	switch n {
	case unix.RT_SCOPE_UNIVERSE:
		return "global"
	case unix.RT_SCOPE_SITE:
		return "site"
	case unix.RT_SCOPE_LINK:
		return "link"
	case unix.RT_SCOPE_HOST:
		return "host"
	case unix.RT_SCOPE_NOWHERE:
		return "nowhere"
	}
	return strconv.Itoa(n)
}
