// SPDX-License-Identifier: Apache-2.0

package rtnetlink_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"whohas/bypass"
	"whohas/bypass/rtnetlink"
	"whohas/testkit/netns"
)

// pair makes a victim, which is the thread's namespace, and an owner beside it. (Not every
// kernel has dummies: a bridge stands for kube-ipvs0.)
func pair(t *testing.T) (owner netns.Host) {
	t.Helper()
	owner = netns.LAN(t, 114)[0]
	netns.Do(t, "ip link add kube-ipvs0 type bridge")
	return owner
}

// bind puts the owner's addresses on kube-ipvs0. IPv6 makes one local a little later
// (linux net/ipv6/addrconf.c addrconf_dad_work).
func bind(t *testing.T) {
	t.Helper()
	netns.Do(t, "ip addr add 192.168.10.114/32 dev kube-ipvs0; ip -6 addr add fd00::114/128 dev kube-ipvs0 nodad")
	netns.Within(t, "the addresses are local", func() bool {
		return netns.Works("ip route get 192.168.10.114 | grep -q ^local && ip -6 route get fd00::114 | grep -q ^local")
	})
}

var stolen = []netip.Addr{netip.MustParseAddr("192.168.10.114"), netip.MustParseAddr("fd00::114")}

func open(t *testing.T) *rtnetlink.Conn {
	t.Helper()
	k, err := rtnetlink.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// TestPut: a victim reaches the owner again, and the owner it, while the address stays
// where it is, of both families; then all is as it was.
func TestPut(t *testing.T) {
	netns.Inside(t, func() {
		owner := pair(t)
		k := open(t)
		bind(t)
		before := netns.Do(t, "ip -d rule; ip -d -6 rule; ip -d -6 route show table main")
		reached := func(want bool) {
			t.Helper()
			for _, ip := range stolen {
				w, err := k.Way(ip)
				if err != nil || w.Local == want {
					t.Errorf("%s: way %+v, %v", ip, w, err)
				}
				accepts, err := k.Accepts(ip)
				if ip.Is4() && (accepts != want || err != nil) {
					t.Errorf("%s: accepted %v, %v", ip, accepts, err)
				}
			}
			if got := owner.Works("ping -c1 -W1 192.168.10.115"); got != want {
				t.Errorf("owner reaches victim: %v", got)
			}
		}
		reached(false)
		if _, err := k.Put(context.Background(), bypass.Repair, stolen...); err != nil {
			t.Fatalf("%v\n%s", err, netns.Do(t, "ip rule; ip -6 rule; ip -6 route"))
		}
		reached(true)
		if !owner.Works("ping -6 -c1 -W1 fd00::115") {
			t.Error("the owner does not reach the victim by IPv6")
		}
		for _, line := range []string{"ping -c1 -W1 192.168.10.114", "ping -6 -c1 -W1 fd00::114",
			"ping -c1 -W1 192.168.10.115", "ping -6 -c1 -W1 fd00::115", "ping -c1 -W1 127.0.0.1"} {
			if !netns.Works(line) {
				t.Errorf("%s fails\n%s", line, netns.Do(t, "ip rule; ip -6 rule; ip -6 route; ip -6 route get fd00::114"))
			}
		}
		if w, err := k.Way(stolen[1]); err != nil || w.Source != netip.MustParseAddr("fd00::115") {
			t.Errorf("IPv6 is sent from %v, %v", w.Source, err)
		}
		if changes, err := k.Put(context.Background(), bypass.Repair, stolen...); err != nil || len(changes) > 0 {
			t.Errorf("once more: %v, %v", changes, err)
		}
		if _, err := k.Take(context.Background(), bypass.Repair); err != nil {
			t.Error(err)
		}
		reached(false)
		if after := netns.Do(t, "ip -d rule; ip -d -6 rule; ip -d -6 route show table main"); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

// TestPrinted: the printed lines do the same as Put.
func TestPrinted(t *testing.T) {
	netns.Inside(t, func() {
		owner := pair(t)
		k := open(t)
		bind(t)
		h, err := k.Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		changes, err := bypass.Put(h, bypass.Repair, stolen...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Put(context.Background(), bypass.Repair, stolen...); err != nil {
			t.Fatal(err)
		}
		const show = "ip -d rule; ip -d -6 rule; ip -d -6 route show table main"
		want := netns.Do(t, show)
		if _, err := k.Take(context.Background(), bypass.Repair); err != nil {
			t.Fatal(err)
		}
		clean := netns.Do(t, show)
		netns.Do(t, bypass.Lines(changes).String())
		if got := netns.Do(t, show); got != want {
			t.Errorf("printed:\n%s\nput:\n%s", got, want)
		}
		if !owner.Works("ping -c1 -W1 192.168.10.115") {
			t.Error("the owner does not reach the victim")
		}
		if h, err = k.Read(context.Background()); err != nil {
			t.Fatal(err)
		}
		netns.Do(t, bypass.Lines(bypass.Take(h, bypass.Repair)).String())
		if got := netns.Do(t, show); got != clean {
			t.Errorf("taken back:\n%s\nbefore:\n%s", got, clean)
		}
	})
}

// TestFlush: whoever flushes the rules leaves the local table's.
func TestFlush(t *testing.T) {
	netns.Inside(t, func() {
		pair(t)
		k := open(t)
		bind(t)
		if _, err := k.Put(context.Background(), bypass.Shield, stolen[0]); err != nil {
			t.Fatal(err)
		}
		netns.Do(t, "ip rule flush")
		if got := netns.Do(t, "ip rule"); !strings.Contains(got, "lookup local") {
			t.Errorf("the host has no rule of the local table:\n%s", got)
		}
		netns.Do(t, "ip rule add pref 32766 lookup main")
		if !netns.Works("ping -c1 -W1 192.168.10.115") {
			t.Error("the host does not reach itself")
		}
	})
}

// TestNoWay: where no route leads to the owner nothing is left behind.
func TestNoWay(t *testing.T) {
	netns.Inside(t, func() {
		pair(t)
		k := open(t)
		netns.Do(t, "ip addr add 10.99.0.1/32 dev kube-ipvs0")
		before := netns.Do(t, "ip rule")
		if _, err := k.Put(context.Background(), bypass.Repair, netip.MustParseAddr("10.99.0.1")); err == nil {
			t.Error("no error though no route leads there")
		}
		if after := netns.Do(t, "ip rule"); after != before {
			t.Errorf("left behind:\n%s", after)
		}
	})
}

// TestNotPermitted: without the right to, nothing is changed, and the error says what it
// takes.
func TestNotPermitted(t *testing.T) {
	netns.Inside(t, func() {
		pair(t)
		k := open(t)
		bind(t)
		var none [2]unix.CapUserData
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capset(&head, &none[0]); err != nil {
			t.Skipf("NOT RUN: %v", err)
		}
		_, err := k.Put(context.Background(), bypass.Repair, stolen[0])
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("got %v", err)
		}
	})
}
