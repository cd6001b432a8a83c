// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// readAddresses reads the messages itself: the library's form of an address takes a
// kilobyte, and a node of a large cluster has fifteen thousand.
func readAddresses(ctx context.Context, k rtnetlink, names linkNames) ([]dataplane.Address, error) {
	list, err := whole(ctx, func() ([][]byte, error) { return k.Addresses(ctx) })
	out := make([]dataplane.Address, 0, len(list))
	for _, m := range list {
		if a, ok := address(m, names); ok {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b dataplane.Address) int {
		return cmp.Or(strings.Compare(a.Link, b.Link), a.Prefix.Addr().Compare(b.Prefix.Addr()), a.Prefix.Bits()-b.Prefix.Bits(), a.Peer.Compare(b.Peer))
	})
	return slices.Compact(out), err
}

// address reads a struct ifaddrmsg and its attributes (linux
// include/uapi/linux/if_addr.h). Where both are there, IFA_LOCAL is the address and
// IFA_ADDRESS the peer's: of IPv4 they are the same without a peer (net/ipv4/devinet.c
// inet_fill_ifaddr), of IPv6 the first is left out (net/ipv6/addrconf.c
// inet6_fill_ifaddr).
func address(m []byte, names linkNames) (dataplane.Address, bool) {
	if len(m) < unix.SizeofIfAddrmsg {
		return dataplane.Address{}, false
	}
	h := nl.DeserializeIfAddrmsg(m)
	flags := uint64(h.Flags)
	var local, remote netip.Addr
	for kind, v := range attributes(m[unix.SizeofIfAddrmsg:]) {
		switch kind {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(v)
		case unix.IFA_ADDRESS:
			remote, _ = netip.AddrFromSlice(v)
		case unix.IFA_FLAGS: // since Linux 3.14; the header has room for eight
			flags = number(v)
		}
	}
	own := cmp.Or(local, remote)
	out := dataplane.Address{
		Link:   names.name(int(h.Index)),
		Prefix: netip.PrefixFrom(own, int(h.Prefixlen)),
		Scope:  scope(int(h.Scope)),
		// Of IPv6 the same bit means temporary.
		Secondary: flags&unix.IFA_F_SECONDARY != 0 && own.Is4(),
		Failed:    flags&unix.IFA_F_DADFAILED != 0,
		Tentative: flags&unix.IFA_F_TENTATIVE != 0,
		Dynamic:   flags&unix.IFA_F_PERMANENT == 0,
	}
	if remote.IsValid() && remote != own {
		out.Peer = remote
	}
	return out, own.IsValid()
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
