// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestAnnounce: a neighbour that remembers a wrong MAC takes the announced one.
func TestAnnounce(t *testing.T) {
	s := network(t, 2)
	s[0].address("eth0", "10.0.0.1/24")
	s[1].address("eth0", "10.0.0.2/24")
	wrong := net.HardwareAddr{2, 0, 0, 0, 0, 0x99}
	var right net.HardwareAddr
	s[0].do(func(h *netlink.Handle) error {
		l, err := h.LinkByName("eth0")
		right = l.Attrs().HardwareAddr
		return err
	})
	s[1].do(func(h *netlink.Handle) error {
		l, err := h.LinkByName("eth0")
		if err != nil {
			return err
		}
		return h.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, IP: net.IPv4(10, 0, 0, 1), HardwareAddr: wrong, State: netlink.NUD_STALE})
	})
	s[0].do(func(*netlink.Handle) error {
		return Announce(t.Context(), Target{"eth0", netip.MustParseAddr("10.0.0.1")})
	})
	var got string
	s[1].do(func(h *netlink.Handle) error {
		list, err := h.NeighList(0, netlink.FAMILY_V4)
		for _, n := range list {
			if n.IP.Equal(net.IPv4(10, 0, 0, 1)) {
				got = n.HardwareAddr.String()
			}
		}
		return err
	})
	if got != right.String() {
		t.Errorf("the neighbour has %q, want %q (it had %q)", got, right, wrong)
	}
	s[0].do(func(*netlink.Handle) error {
		if err := Announce(t.Context(), Target{"eth9", netip.MustParseAddr("10.0.0.1")}); err == nil {
			t.Error("no error on a link that is not there")
		}
		return nil
	})
}

// TestUnsolicited: what is announced for IPv6 reads back.
func TestUnsolicited(t *testing.T) {
	from, ip := mac{2, 0, 0, 0, 0, 1}, netip.MustParseAddr("2001:db8::1")
	a, err := decodeAdvertisement(unsolicited(from, ip))
	if err != nil || a.target != ip || a.mac != from {
		t.Errorf("got %+v, %v", a, err)
	}
	p, err := decodeARP(arpAnnouncement(from, netip.MustParseAddr("10.0.0.1")))
	if got, who, ok := p.answer(); err != nil || !ok || who != from || got != p.targetIP {
		t.Errorf("got %+v, %v", p, err)
	}
}
