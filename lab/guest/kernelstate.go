// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"whohas/dataplane"
	"whohas/lab"
	"whohas/lab/testbed"
	"whohas/snapshot"
	"whohas/source/host"
)

// What a host's kernel holds is read with the product's own collector: it forks nothing,
// which is dear on some kernels.

// none is the answer where there is nothing.
const none = "none"

// address lists the devices that hold an address.
func (x *executor) address(ctx context.Context, h *testbed.Host, q lab.Query) (string, error) {
	addr, err := netip.ParseAddr(q.Args[0])
	if err != nil {
		return "", err
	}
	now, err := only(ctx, h, host.Addresses)
	if err != nil {
		return "", err
	}
	var names []string
	for _, a := range now.Addresses {
		if a.Prefix.Addr() == addr {
			names = append(names, a.Link)
		}
	}
	slices.Sort(names)
	return cmp.Or(strings.Join(names, " "), none), nil
}

func (x *executor) link(ctx context.Context, h *testbed.Host, q lab.Query) (string, error) {
	now, err := only(ctx, h, host.Links)
	if err != nil {
		return "", err
	}
	for _, l := range now.Links {
		switch {
		case l.Name != q.Args[0]:
		case l.Up:
			return "up", nil
		default:
			return "down", nil
		}
	}
	return none, nil
}

// route says what the kernel would do with a packet to an address (RTM_GETROUTE), in the
// words of "ip route get". That is a question and no state: the collector has none.
func (x *executor) route(_ context.Context, h *testbed.Host, q lab.Query) (string, error) {
	addr, err := netip.ParseAddr(q.Args[0])
	if err != nil {
		return "", err
	}
	found, err := h.Links().RouteGet(addr.AsSlice())
	var no unix.Errno
	if errors.As(err, &no) {
		return "unreachable: " + no.Error(), nil
	}
	if err != nil {
		return "", err
	}
	link, err := h.Links().LinkByIndex(found[0].LinkIndex)
	if err != nil {
		return "", err
	}
	r := dataplane.Route{Type: "unicast", Link: link.Attrs().Name, Onlink: found[0].Flags&unix.RTNH_F_ONLINK != 0}
	if found[0].Type == unix.RTN_LOCAL {
		r.Type = "local"
	}
	r.Via, _ = netip.AddrFromSlice(found[0].Gw)
	r.Source, _ = netip.AddrFromSlice(found[0].Src)
	return words(r), nil
}

// routes finds the main table's route to a prefix.
func (x *executor) routes(ctx context.Context, h *testbed.Host, q lab.Query) (string, error) {
	want, err := netip.ParsePrefix(q.Args[0])
	if err != nil {
		return "", err
	}
	now, err := only(ctx, h, host.Routes)
	if err != nil {
		return "", err
	}
	for _, r := range now.Routes {
		if r.Table == dataplane.TableMain && r.To == want {
			return words(r), nil
		}
	}
	return none, nil
}

// words gives a route as ip prints it, without what is the same each time.
func words(r dataplane.Route) string {
	var parts []string
	if r.Type != "unicast" {
		parts = append(parts, r.Type)
	}
	if r.Via.IsValid() {
		parts = append(parts, "via "+r.Via.Unmap().String())
	}
	if r.Link != "" {
		parts = append(parts, "dev "+r.Link)
	}
	if r.Source.IsValid() {
		parts = append(parts, "src "+r.Source.Unmap().String())
	}
	if r.Protocol == "bird" {
		parts = append(parts, "proto bird")
	}
	if r.Onlink {
		parts = append(parts, "onlink")
	}
	return strings.Join(parts, " ")
}

// neighbour names the host whose MAC the neighbour table has for an address. A tunnel's
// next hop has none, nor has one that nobody has asked for yet.
func (x *executor) neighbour(ctx context.Context, h *testbed.Host, q lab.Query) (string, error) {
	addr, err := netip.ParseAddr(q.Args[0])
	if err != nil {
		return "", err
	}
	now, err := only(ctx, h, host.Neighbours)
	if err != nil {
		return "", err
	}
	for _, n := range now.Neighbours {
		switch {
		case n.IP != addr || n.Forward || n.Proxy || n.State == "NOARP":
		case n.State == "FAILED", n.State == "INCOMPLETE":
			return n.State, nil
		case n.MAC != "":
			return x.testbed.Owner(n.MAC), nil
		}
	}
	return none, nil
}

// servers lists the real servers of an IPVS service.
func (x *executor) servers(ctx context.Context, h *testbed.Host, q lab.Query) (string, error) {
	at, err := netip.ParseAddrPort(q.Args[0])
	if err != nil {
		return "", err
	}
	now, err := only(ctx, h, host.IPVS)
	if err != nil {
		return "", err
	}
	for _, v := range now.Servers {
		if v.Proto != "TCP" || v.IP != at.Addr() || v.Port != at.Port() {
			continue
		}
		var real []string
		for _, r := range v.Servers {
			real = append(real, netip.AddrPortFrom(r.IP, r.Port).String())
		}
		slices.Sort(real)
		return cmp.Or(strings.Join(real, " "), "no real server"), nil
	}
	return none, nil
}

// sets lists the ipsets that have a member.
func (x *executor) sets(ctx context.Context, h *testbed.Host, q lab.Query) (string, error) {
	now, err := only(ctx, h, host.IPSet)
	if err != nil {
		return "", err
	}
	var names []string
	for _, s := range now.Sets {
		if slices.Contains(s.Members, q.Args[0]) {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return cmp.Or(strings.Join(names, " "), none), nil
}

// only reads one section of a host, with the product's collector: it forks
// nothing, which is dear on some kernels.
func only(ctx context.Context, h *testbed.Host, section string) (dataplane.Host, error) {
	skip := slices.DeleteFunc(host.Sections(), func(s string) bool { return s == section })
	var now dataplane.Host
	err := h.Do(func() error {
		var coverage []snapshot.Coverage
		now, coverage = host.Read(ctx, host.Options{Name: h.Name, Skip: skip})
		for _, c := range coverage {
			if c.Source == "host "+h.Name+" "+section && (c.Status == snapshot.StatusUnreadable || c.Status == snapshot.StatusDenied) {
				return fmt.Errorf("read %s: %s: %s", section, c.Status, c.Detail)
			}
		}
		return nil
	})
	return now, err
}
