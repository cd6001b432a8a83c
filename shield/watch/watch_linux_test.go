// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"whohas/testkit/netns"
)

var shielded = netip.MustParseAddr("192.168.10.114")

// keeper is a shield that is kept, in the thread's namespace, until the test ends it.
type keeper struct {
	t      *testing.T
	mu     sync.Mutex
	events []Event
	end    context.CancelFunc
	ended  chan error
}

func keep(t *testing.T, ips ...netip.Addr) *keeper {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	k := &keeper{t: t, end: cancel, ended: make(chan error, 1)}
	here := netns.Here(t)
	go here.Run(t, func() {
		k.ended <- Run(ctx, Options{Addresses: ips, Tell: func(e Event) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.events = append(k.events, e)
		}})
	})
	t.Cleanup(k.stop)
	return k
}

// stop ends it, and waits for that.
func (k *keeper) stop() {
	k.end()
	if err := <-k.ended; !errors.Is(err, context.Canceled) {
		k.t.Errorf("ended: %v", err)
	}
	k.ended <- context.Canceled // for the next who asks
}

func (k *keeper) text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out string
	for _, e := range k.events {
		out += e.IP.String() + ": " + e.Text + "\n"
	}
	return out
}

// host has the address of another on its kube-ipvs0. (Not every kernel has dummies: a
// bridge stands for it.)
func host(t *testing.T) netns.Host {
	t.Helper()
	owner := netns.LAN(t, 114)[0]
	netns.Do(t, "ip link add kube-ipvs0 type bridge && ip addr add 192.168.10.114/32 dev kube-ipvs0")
	return owner
}

// local reports whether the host delivers the address to itself.
func local() bool { return netns.Works("ip route get 192.168.10.114 | grep -q ^local") }

func (k *keeper) stands(what string) {
	k.t.Helper()
	d := netns.Within(k.t, what+": the shield stands", func() bool { return !local() })
	k.t.Logf("%s: the shield stands after %s", what, d)
	if k.t.Failed() {
		k.t.Logf("%s\n%s", netns.Do(k.t, "ip -d rule; ip addr"), k.text())
	}
	if !netns.Works("ping -c1 -W9 192.168.10.115") {
		k.t.Errorf("%s: the host does not reach itself", what)
	}
}

// goes: the host, which has the address now, reaches itself at it.
func (k *keeper) goes(what string) {
	k.t.Helper()
	d := netns.Within(k.t, what+": the host has its address", local)
	k.t.Logf("%s: the host has its address after %s", what, d)
	if !netns.Works("ping -c1 -W9 192.168.10.114 && ping -c1 -W9 192.168.10.115") {
		k.t.Errorf("%s: the host does not reach itself\n%s", what, netns.Do(k.t, "ip rule"))
	}
	netns.Within(k.t, what+": no rule is left", func() bool { return !strings.Contains(netns.Do(k.t, "ip rule"), "192.168.10.114") })
}

// TestOwnAddress: the address comes to a card and goes away again.
func TestOwnAddress(t *testing.T) {
	netns.Inside(t, func() {
		host(t)
		k := keep(t, shielded)
		k.stands("begun")
		netns.Do(t, "ip addr add 192.168.10.114/24 dev eth0")
		k.goes("it comes")
		netns.Do(t, "ip addr del 192.168.10.114/24 dev eth0")
		k.stands("it goes")
		if text := k.text(); !strings.Contains(text, "it is this host's own now") || !strings.Contains(text, "own no more") {
			t.Error(text)
		}
		k.stop()
	})
}

// TestTakeover: a virtual address moves here and away each second, as VRRP does when two
// hosts do not agree, and then faster than anybody can follow.
func TestTakeover(t *testing.T) {
	netns.Inside(t, func() {
		host(t)
		k := keep(t, shielded)
		k.stands("begun")
		second := time.NewTicker(time.Second / 2)
		defer second.Stop()
		for range 4 {
			netns.Do(t, "ip addr add 192.168.10.114/32 dev eth0")
			k.goes("takeover")
			<-second.C
			netns.Do(t, "ip addr del 192.168.10.114/32 dev eth0")
			k.stands("given away")
			<-second.C
		}
		for _, last := range []string{"add", "del"} {
			netns.Do(t, "for n in 1 2 3 4 5 6 7 8 9; do ip addr add 192.168.10.114/32 dev eth0; ip addr del 192.168.10.114/32 dev eth0; done")
			if last == "add" {
				netns.Do(t, "ip addr add 192.168.10.114/32 dev eth0")
				k.goes("after many")
				continue
			}
			netns.Do(t, "ip addr del 192.168.10.114/32 dev eth0 2>/dev/null || true")
			k.stands("after many")
		}
		k.stop()
	})
}

// TestRemoved: what others remove is put again; the host reaches itself at every moment.
func TestRemoved(t *testing.T) {
	netns.Inside(t, func() {
		host(t)
		k := keep(t, shielded)
		k.stands("begun")
		want := netns.Do(t, "ip -d rule")
		// Its agent does so at each start (cilium pkg/datapath/linux/route
		// NodeEnsureLocalRoutingRule).
		const cilium = "ip rule add pref 100 lookup local protocol kernel; ip rule del pref 0 lookup local"
		for _, line := range []string{
			"ip rule flush; ip rule add pref 32766 lookup main protocol kernel; ip rule add pref 32767 lookup default protocol kernel",
			"ip rule del pref 2",
			"ip rule del pref 0",
			"ip rule del pref 0 to 192.168.10.114; ip rule del pref 2",
			cilium,
		} {
			if line == cilium {
				want = "99:\tfrom all to 192.168.10.114 goto 102 proto kernel\n100:\tfrom all lookup local proto kernel\n102:\tfrom all nop proto kernel\n" +
					want[strings.Index(want, "32766:"):]
			}
			netns.Do(t, line)
			if !netns.Works("ping -c1 -W9 192.168.10.115") {
				t.Errorf("%s: the host does not reach itself", line)
			}
			k.stands(line)
			netns.Within(t, line+": as before:\n"+want, func() bool { return netns.Do(t, "ip -d rule") == want })
		}
		k.stop()
	})
}

// TestProxyBinds: what kube-proxy does with its device changes nothing.
func TestProxyBinds(t *testing.T) {
	netns.Inside(t, func() {
		host(t)
		k := keep(t, shielded)
		k.stands("begun")
		before, said := netns.Do(t, "ip -d rule"), k.text()
		for range 20 {
			netns.Do(t, "ip addr del 192.168.10.114/32 dev kube-ipvs0; ip addr add 192.168.10.114/32 dev kube-ipvs0")
			if local() {
				t.Error("the address is stolen")
			}
		}
		// What comes after it has been heard when this has: it is told.
		netns.Do(t, "ip addr add 192.168.10.114/24 dev eth0")
		k.goes("it comes")
		netns.Do(t, "ip addr del 192.168.10.114/24 dev eth0")
		k.stands("it goes")
		if after := netns.Do(t, "ip -d rule"); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
		k.stop()
		if more := strings.TrimPrefix(k.text(), said); strings.Count(more, "own now") != 1 || strings.Count(more, "own no more") != 1 {
			t.Errorf("told of what the proxy did:\n%s", more)
		}
	})
}

// TestNoRoute: a shield stands before the network does, also IPv6's, whose route comes
// with it, and again when the card was down.
func TestNoRoute(t *testing.T) {
	netns.Inside(t, func() {
		host(t)
		four, six := netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("fd01::114")
		netns.Do(t, "ip addr add 10.99.0.1/32 dev kube-ipvs0; ip -6 addr add fd01::114/128 dev kube-ipvs0 nodad")
		k := keep(t, four, six)
		netns.Within(t, "the rules stand", func() bool {
			return strings.Contains(netns.Do(t, "ip rule"), "to 10.99.0.1 goto 2") && strings.Contains(netns.Do(t, "ip -6 rule"), "to fd01::114 goto 2")
		})
		leaves := func() bool {
			return strings.Contains(netns.Do(t, "ip route get 10.99.0.1 2>&1 || true"), "dev eth0") &&
				strings.Contains(netns.Do(t, "ip -6 route get fd01::114 2>&1 || true"), "dev eth0 proto kernel src fd00::115")
		}
		if leaves() {
			t.Error("there is a route already")
		}
		const routes = "ip route add default via 192.168.10.114; ip -6 route add default via fd00::114"
		netns.Do(t, "ip addr del 192.168.10.114/32 dev kube-ipvs0; "+routes)
		netns.Within(t, "what is sent leaves\n", leaves)
		netns.Do(t, "ip link set eth0 down; ip link set eth0 up; ip addr add fd00::115/64 dev eth0 nodad; "+routes)
		netns.Within(t, "the card is up again, and what is sent leaves", leaves)
		k.stop()
	})
}

// TestStays: the rules stand when nobody keeps them any more.
func TestStays(t *testing.T) {
	netns.Inside(t, func() {
		owner := host(t)
		k := keep(t, shielded)
		k.stands("begun")
		before := netns.Do(t, "ip -d rule")
		k.stop()
		if after := netns.Do(t, "ip -d rule"); after != before || local() {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
		netns.Within(t, "the owner reaches the host", func() bool { return owner.Works("ping -c1 -W1 192.168.10.115") })
	})
}

// TestNotPermitted: it ends, and says what it takes.
func TestNotPermitted(t *testing.T) {
	netns.Inside(t, func() {
		host(t)
		var none [2]unix.CapUserData
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capset(&head, &none[0]); err != nil {
			t.Skipf("NOT RUN: %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		err := Run(ctx, Options{Addresses: []netip.Addr{shielded}})
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("ended: %v", err)
		}
	})
}
