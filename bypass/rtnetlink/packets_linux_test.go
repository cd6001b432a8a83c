// SPDX-License-Identifier: Apache-2.0

package rtnetlink_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"whohas/bypass"
	"whohas/probe"
	"whohas/testkit/netns"
)

// TestIPv6: an owner on the link, and one behind a router, with the service device down,
// as kube-proxy leaves it, and up, where its address brings a route.
func TestIPv6(t *testing.T) {
	for _, test := range []struct{ name, owner, device string }{
		{"on the link, down", "fd00::114", "down"},
		{"on the link, up", "fd00::114", "up"},
		{"behind a router, down", "fd01::114", "down"},
		{"behind a router, up", "fd01::114", "up"},
	} {
		t.Run(test.name, func(t *testing.T) {
			netns.Inside(t, func() {
				owner := routed(t, test.owner)
				netns.Do(t, "ip link add one type veth peer name other && ip link set one master kube-ipvs0 up && ip link set other up") // a carrier
				netns.Do(t, "ip link set kube-ipvs0 "+test.device)
				ip := netip.MustParseAddr(test.owner)
				hold(t, test.owner)
				if test.device == "up" {
					netns.Within(t, "its route", func() bool { return strings.Contains(netns.Do(t, "ip -6 route"), test.owner+" dev kube-ipvs0") })
				}
				k := open(t)
				before := netns.Do(t, show)
				if _, err := k.Put(context.Background(), bypass.Repair, ip); err != nil {
					t.Fatal(err)
				}
				if w, err := k.Way(ip); err != nil || w.Local || w.Link != "eth0" || w.Source != netip.MustParseAddr("fd00::115") {
					t.Errorf("way %+v, %v", w, err)
				}
				netns.Within(t, "the owner is reached\n"+netns.Do(t, show), func() bool { return netns.Works("ping -6 -c1 -W1 " + test.owner) })
				netns.Within(t, "the owner answers", func() bool { return netns.Answers("[" + test.owner + "]:80") })
				netns.Within(t, "the owner reaches the host", func() bool { return owner.Works("ping -6 -c1 -W1 -I " + test.owner + " fd00::115") })
				itself(t)
				if _, err := k.Take(context.Background(), bypass.Repair); err != nil {
					t.Error(err)
				}
				diff(t, "taken back", before, netns.Do(t, show))
			})
		})
	}
}

// routed makes a host and an owner of an address of IPv6: on the link it is host 114's,
// else that of a host behind the gateway. It listens.
func routed(t *testing.T, address string) (owner netns.Host) {
	t.Helper()
	both := netns.LAN(t, 114, gateway)
	netns.Do(t, "ip link add kube-ipvs0 type bridge; ip -6 route add default via fd00::1")
	owner = both[0]
	if !strings.HasPrefix(address, "fd00::") {
		owner = netns.New(t)
		netns.Join(t, both[1], "eth1", owner, "eth0")
		both[1].Do(t, "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; ip addr add fd01::1/64 dev eth1 nodad")
		owner.Do(t, "ip addr add "+address+"/64 dev eth0 nodad; ip -6 route add default via fd01::1")
	}
	owner.Run(t, func() { netns.Listen(t, ":80") })
	return owner
}

// hold puts an address of IPv6 on kube-ipvs0.
func hold(t *testing.T, address string) {
	t.Helper()
	netns.Do(t, "ip -6 addr add "+address+"/128 dev kube-ipvs0 nodad")
	netns.Within(t, address+" is local", func() bool { return netns.Works("ip -6 route get " + address + " | grep -q ^local") })
}

// TestSourceRouteAgain: the route that IPv6 needs beside the rule goes with its card, and
// follows the host's other routes.
func TestSourceRouteAgain(t *testing.T) {
	netns.Inside(t, func() {
		routed(t, "fd01::114")
		hold(t, "fd01::114")
		ip := netip.MustParseAddr("fd01::114")
		k := open(t)
		for _, test := range []struct{ lines, via string }{
			{"true", "fd00::1"},
			{"ip link set eth0 down; ip link set eth0 up; ip addr add fd00::115/64 dev eth0 nodad; ip -6 route add default via fd00::1", "fd00::1"},
			{"ip -6 route del default; ip -6 route add default via fd00::114", "fd00::114"},
			{"ip addr del fd00::115/64 dev eth0; ip addr add fd00::125/64 dev eth0 nodad", "fd00::114"},
		} {
			netns.Do(t, "set -e\n"+test.lines)
			netns.Within(t, "the card has an address", func() bool {
				return netns.Works("ip -6 addr show dev eth0 | grep -q 'inet6 fd00::.*scope global' && ! ip -6 addr show dev eth0 | grep -q tentative")
			})
			netns.Within(t, test.lines, func() bool { // the kernel removes what went with the card a little later
				if _, err := k.Put(context.Background(), bypass.Shield, ip); err != nil {
					t.Log(err)
				}
				got := netns.Do(t, "ip -6 route get fd01::114")
				return strings.Contains(got, "via "+test.via+" dev eth0") && strings.Contains(got, "src fd00::1")
			})
		}
		if _, err := k.Take(context.Background(), bypass.Shield); err != nil {
			t.Error(err)
		}
		if got := netns.Do(t, show); got != others(got) || strings.Contains(got, "fd01::114") {
			t.Errorf("left behind:\n%s", got)
		}
	})
}

// TestAccepts: what the kernel says that it accepts, and a real packet of the owner.
func TestAccepts(t *testing.T) {
	for _, test := range []struct {
		filter   int
		put      bool
		otherWay bool // the host answers by another card than that by which the packet comes
		want     bool
	}{
		{0, false, false, false}, {1, false, false, false}, {2, false, false, false},
		{0, true, false, true}, {1, true, false, true}, {2, true, false, true},
		{0, true, true, true}, {1, true, true, false}, {2, true, true, true},
	} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			netns.Inside(t, func() {
				owner := victim(t, fmt.Sprintf("echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter; echo %d >/proc/sys/net/ipv4/conf/eth0/rp_filter", test.filter))
				if test.otherWay {
					netns.Join(t, netns.Here(t), "eth1", netns.New(t), "eth0")
					netns.Do(t, "ip route add default dev eth1 table 60 && ip rule add pref 60 from 192.168.10.115 lookup 60")
				}
				k := open(t)
				if test.put {
					if _, err := k.Put(context.Background(), bypass.Repair, stolen[0]); err != nil {
						t.Fatal(err)
					}
				}
				got, err := k.Accepts(stolen[0])
				if real := comesIn(t, owner); got != test.want || real != test.want || err != nil {
					t.Errorf("says %v, %v; a packet: %v", got, err, real)
				}
			})
		})
	}
}

// comesIn reports whether a packet of the owner comes in. After each comes one of IPv6,
// whose source nobody checks: where these come and the others never do, it does not.
func comesIn(t *testing.T, owner netns.Host) bool {
	t.Helper()
	const rounds, four, six = 20, "4", "6"
	in, err := net.ListenPacket("udp", ":9000")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var out [2]net.Conn
	owner.Do(t, "ip neigh replace 192.168.10.115 lladdr "+macOf(t)+" dev eth0 nud permanent") // ARP checks the source, too
	owner.Run(t, func() {
		for i, to := range []string{"192.168.10.115:9000", "[fd00::115]:9000"} {
			if out[i], err = net.Dial("udp", to); err != nil {
				t.Error(err)
			}
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	defer out[0].Close()
	defer out[1].Close()
	sixes := 0
	netns.Within(t, "packets come in", func() bool {
		_, _ = out[0].Write([]byte(four))
		_, _ = out[1].Write([]byte(six))
		_ = in.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		word := make([]byte, 1)
		for {
			if _, _, err := in.ReadFrom(word); err != nil {
				return sixes >= rounds
			}
			if string(word) == four {
				sixes = -1
				return true
			}
			sixes++
			_ = in.SetReadDeadline(time.Now()) // what else is there
		}
	})
	return sixes < 0
}

// macOf is the host's card's.
func macOf(t *testing.T) string {
	t.Helper()
	return strings.Fields(netns.Do(t, "ip -br link show dev eth0"))[2]
}

// TestARP: who asks for the owner hears nothing of a host that passes over its local table
// for it; a probe, whose sender has no address yet, is answered by the local table itself
// (linux net/ipv4/arp.c arp_process), unless arp_ignore forbids it.
func TestARP(t *testing.T) {
	netns.Inside(t, func() {
		lan := netns.LAN(t, 114, 1)
		owner, third := lan[0], lan[1]
		netns.Do(t, "ip link add kube-ipvs0 type bridge")
		bind(t)
		mac := macOf(t)
		asked := func(who netns.Host, ip string) bool {
			return strings.Contains(who.Do(t, "ip neigh flush to "+ip+"; ping -c1 -W4 "+ip+" >/dev/null; ip neigh show to "+ip), mac)
		}
		probed := func(ip string) bool {
			var heard bool
			third.Run(t, func() {
				echoes, err := probe.Ask(context.Background(), []probe.Target{{Link: "eth0", IP: netip.MustParseAddr(ip)}})
				if err != nil {
					t.Error(err)
				}
				heard = strings.Contains(fmt.Sprint(echoes), mac)
			})
			return heard
		}
		if asked(owner, "192.168.10.115") {
			t.Error("without the rule the owner is answered: the test shows nothing")
		}
		k := open(t)
		if _, err := k.Put(context.Background(), bypass.Repair, stolen...); err != nil {
			t.Fatal(err)
		}
		netns.Within(t, "the owner is answered", func() bool { return asked(owner, "192.168.10.115") })
		owner.Do(t, "ip link set eth0 down") // so that only this host could answer for it
		if asked(third, "192.168.10.114") {
			t.Error("the host answers for the owner's address")
		}
		netns.Within(t, "the host answers for its own", func() bool { return asked(third, "192.168.10.115") })
		netns.Within(t, "a probe for the owner's address is answered", func() bool { return probed("192.168.10.114") })
		netns.Do(t, "echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_ignore")
		if probed("192.168.10.114") {
			t.Error("arp_ignore 1 does not forbid it")
		}
		netns.Within(t, "a probe for its own address is answered", func() bool { return probed("192.168.10.115") })
		netns.Do(t, "echo 0 >/proc/sys/net/ipv4/conf/eth0/arp_ignore")
		if _, err := k.Take(context.Background(), bypass.Repair); err != nil {
			t.Fatal(err)
		}
		netns.Within(t, "without the rule the host answers for the owner's address", func() bool { return asked(third, "192.168.10.114") })
	})
}
