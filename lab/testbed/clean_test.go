// SPDX-License-Identifier: Apache-2.0

//go:build linux

package testbed

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/lab"
	"whohas/testkit/netns"
)

// TestCleanCarrier: a host is as new also when the bridge of its Pods had no carrier yet
// when its state was noted: the kernel tells of that a while later, and takes no route
// that says so.
func TestCleanCarrier(t *testing.T) {
	netns.Inside(t, func() {
		s, err := Build(lab.Topology{
			Segments: []lab.Segment{{Name: "lan", Prefix: netip.MustParsePrefix("192.168.10.0/24")}},
			Hosts: []lab.Host{{Name: "a", Cards: []lab.Card{{Segment: "lan", Address: netip.MustParsePrefix("192.168.10.115/24")}},
				Pods: netip.MustParsePrefix("10.244.2.0/24")}},
			Pods: []lab.Pod{{Name: "web", Host: "a", Address: netip.MustParseAddr("10.244.2.7")}},
		}, t.TempDir())
		if err != nil {
			if s != nil {
				_ = s.Close()
			}
			t.Skipf("NOT RUN: %v", err)
		}
		defer s.Close()
		host, pod := s.Host("a"), s.Host("web")
		card, err := pod.links.LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		down := func() bool {
			routes, err := host.links.RouteListFiltered(unix.AF_INET, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range routes {
				if r.Dst != nil && strings.HasPrefix(r.Dst.String(), "10.244.2.0") {
					return r.Flags&unix.RTNH_F_LINKDOWN != 0
				}
			}
			return false
		}
		if err := pod.links.LinkSetDown(card); err != nil {
			t.Fatal(err)
		}
		netns.Within(t, "the bridge has lost its carrier", down)
		if err := host.remember(); err != nil {
			t.Fatal(err)
		}
		if err := pod.links.LinkSetUp(card); err != nil {
			t.Fatal(err)
		}
		netns.Within(t, "the bridge has its carrier", func() bool { return !down() })
		if err := host.Clean(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
