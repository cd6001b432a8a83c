// SPDX-License-Identifier: Apache-2.0

//go:build linux

package director

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/lab/site"
)

// none is the answer where there is nothing.
const none = "none"

// holders lists the devices that hold an address.
func holders(h *site.Host, addr netip.Addr) (string, error) {
	addrs, err := h.Links().AddrList(nil, unix.AF_INET)
	if err != nil {
		return "", err
	}
	var names []string
	for _, a := range addrs {
		ip, _ := netip.AddrFromSlice(a.IP)
		if ip.Unmap() != addr {
			continue
		}
		link, err := h.Links().LinkByIndex(a.LinkIndex)
		if err != nil {
			return "", err
		}
		names = append(names, link.Attrs().Name)
	}
	if len(names) == 0 {
		return none, nil
	}
	slices.Sort(names)
	return strings.Join(names, " "), nil
}

// route says what the kernel would do with a packet to an address
// (RTM_GETROUTE), in the words of "ip route get".
func route(h *site.Host, addr netip.Addr) (string, error) {
	found, err := h.Links().RouteGet(addr.AsSlice())
	if err != nil {
		var no unix.Errno
		if errors.As(err, &no) {
			return "unreachable: " + no.Error(), nil
		}
		return "", err
	}
	return words(h, found[0])
}

// words gives a route as ip prints it, without what is the same each time.
func words(h *site.Host, r netlink.Route) (string, error) {
	var parts []string
	if r.Type != unix.RTN_UNICAST && r.Type != 0 {
		parts = append(parts, map[int]string{
			unix.RTN_LOCAL: "local", unix.RTN_BROADCAST: "broadcast", unix.RTN_BLACKHOLE: "blackhole",
			unix.RTN_UNREACHABLE: "unreachable", unix.RTN_PROHIBIT: "prohibit",
		}[r.Type])
	}
	if ip, ok := netip.AddrFromSlice(r.Gw); ok {
		parts = append(parts, "via "+ip.Unmap().String())
	}
	if r.LinkIndex > 0 {
		link, err := h.Links().LinkByIndex(r.LinkIndex)
		if err != nil {
			return "", err
		}
		parts = append(parts, "dev "+link.Attrs().Name)
	}
	if ip, ok := netip.AddrFromSlice(r.Src); ok {
		parts = append(parts, "src "+ip.Unmap().String())
	}
	if r.Protocol == unix.RTPROT_BIRD {
		parts = append(parts, "proto bird")
	}
	if r.Flags&unix.RTNH_F_ONLINK != 0 {
		parts = append(parts, "onlink")
	}
	return strings.Join(parts, " "), nil
}

// routes finds the main table's route to a prefix.
func routes(h *site.Host, text string) (string, error) {
	want, err := netip.ParsePrefix(text)
	if err != nil {
		return "", err
	}
	list, err := h.Links().RouteListFiltered(unix.AF_INET, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return "", err
	}
	for _, r := range list {
		if destination(r) == want {
			return words(h, r)
		}
	}
	return none, nil
}

// destination is what a route leads to; the default route names nothing.
func destination(r netlink.Route) netip.Prefix {
	if r.Dst == nil {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	ip, _ := netip.AddrFromSlice(r.Dst.IP)
	ones, _ := r.Dst.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), ones)
}

// neighbour names the host whose MAC the neighbour table has for an address.
func (p *player) neighbour(h *site.Host, addr netip.Addr) (string, error) {
	list, err := h.Links().NeighList(0, unix.AF_INET)
	if err != nil {
		return "", err
	}
	for _, n := range list {
		ip, _ := netip.AddrFromSlice(n.IP)
		if ip.Unmap() != addr || n.State&unix.NUD_NOARP != 0 { // a tunnel's next hop has no MAC
			continue
		}
		switch {
		case n.State&unix.NUD_FAILED != 0:
			return "FAILED", nil
		case n.State&unix.NUD_INCOMPLETE != 0:
			return "INCOMPLETE", nil
		case len(n.HardwareAddr) == 0:
			return none, nil // NUD_NONE: an entry that nobody has asked for yet
		}
		return p.site.Owner(n.HardwareAddr.String()), nil
	}
	return none, nil
}
