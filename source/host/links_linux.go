// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// linkNames are the devices' names by index.
type linkNames map[int]string

// name is the device's; one that has gone is called as ip calls it.
func (n linkNames) name(index int) string {
	if index == 0 {
		return ""
	}
	return cmp.Or(n[index], fmt.Sprintf("if%d", index))
}

func readLinks(ctx context.Context, k rtnetlink) ([]dataplane.Link, linkNames, error) {
	if err := k.Bound(ctx); err != nil {
		return nil, nil, err
	}
	list, err := whole(ctx, k.LinkList)
	names := linkNames{}
	for _, l := range list {
		names[l.Attrs().Index] = l.Attrs().Name
	}
	var out []dataplane.Link
	for _, l := range list {
		out = append(out, link(l, names))
	}
	slices.SortFunc(out, func(a, b dataplane.Link) int { return a.Index - b.Index })
	return slices.CompactFunc(out, func(a, b dataplane.Link) bool { return a.Index == b.Index }), names, err
}

func link(l netlink.Link, names linkNames) dataplane.Link {
	a := l.Attrs()
	out := dataplane.Link{
		Index: a.Index, Name: a.Name, Kind: l.Type(), MTU: a.MTU, MAC: mac(a.HardwareAddr), Master: names.name(a.MasterIndex),
		Up:      a.RawFlags&unix.IFF_UP != 0,
		Carrier: a.RawFlags&unix.IFF_LOWER_UP != 0,
		NoARP:   a.RawFlags&unix.IFF_NOARP != 0,
	}
	if out.Kind == "device" { // the library's word for what has no kind
		out.Kind = ""
	}
	if a.NetNsID < 0 { // otherwise it is an index of another namespace's
		out.Parent = names.name(a.ParentIndex)
	}
	if v, ok := l.(*netlink.Vxlan); ok && out.Parent == "" {
		out.Parent = names.name(v.VtepDevIndex)
	}
	tunnel(l, &out)
	return out
}

func tunnel(l netlink.Link, out *dataplane.Link) {
	var local, remote net.IP
	switch t := l.(type) {
	case *netlink.Vxlan:
		local, remote, out.VNI = t.SrcAddr, t.Group, t.VxlanId
	case *netlink.Geneve:
		remote, out.VNI = t.Remote, int(t.ID)
	case *netlink.Iptun:
		local, remote = t.Local, t.Remote
	case *netlink.Ip6tnl:
		local, remote = t.Local, t.Remote
	case *netlink.Sittun:
		local, remote = t.Local, t.Remote
	case *netlink.Gretun:
		local, remote = t.Local, t.Remote
	case *netlink.Gretap:
		local, remote = t.Local, t.Remote
	case *netlink.Vti:
		local, remote = t.Local, t.Remote
	}
	out.Local, out.Remote = addr(local), addr(remote)
}

// mac is an Ethernet address; a tunnel's link address is an IP address, and lo's
// is nothing.
func mac(a net.HardwareAddr) string {
	if len(a) != 6 || slices.Equal(a, make(net.HardwareAddr, 6)) {
		return ""
	}
	return a.String()
}
