// SPDX-License-Identifier: Apache-2.0

package rtnetlink_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/bypass"
	"whohas/bypass/rtnetlink"
	"whohas/testkit/netns"
)

// show is everything that a bypass could change.
const show = "ip -d rule; ip -d -6 rule; ip -d -6 route show table main"

// gateway is host 1 of the LAN, by which some hosts reach others.
const gateway = 1

// hosts are hosts on which others have put rules: as those programs do it by their
// sources, in the words of ip.
var hosts = []struct {
	name     string
	lines    string
	noShield string // why a shield has no place there; empty: it has
}{
	{name: "nobody's"},

	// cilium pkg/datapath/linux/route NodeEnsureLocalRoutingRule, and its rules of the
	// proxy (linux_defaults: 9, 10, 100), all of protocol kernel.
	{name: "Cilium", lines: `
		for f in -4 -6; do
			ip $f rule add pref 9 fwmark 0x200/0xf00 lookup 2004 protocol kernel
			ip $f rule add pref 10 fwmark 0xa00/0xf00 lookup 2005 protocol kernel
			ip $f rule add pref 100 lookup local protocol kernel
			ip $f rule del pref 0 lookup local
		done
		ip route add local 0.0.0.0/0 dev lo table 2004`},

	// With encryption its rules stand at 1, where a repair's goto leads to.
	{name: "Cilium without its proxy, with WireGuard", lines: `ip rule add pref 1 fwmark 0xe00/0xf00 lookup 201 protocol kernel; ip -6 rule add pref 1 fwmark 0xe00/0xf00 lookup 201 protocol kernel`,
		noShield: "another rule has the preference 1"},

	// calico felix WireguardRoutingRulePriority.
	{name: "Calico with WireGuard", lines: `
		ip rule add pref 99 not fwmark 0x100000/0x100000 lookup 1
		ip route add 10.244.2.0/24 dev eth0 table 1; ip route add throw 192.168.10.0/24 table 1`},

	// amazon-vpc-cni-k8s: packets of Pods, and of the second card's own address.
	{name: "AWS VPC CNI", lines: `
		ip rule add pref 10 iif vlan.eth.1 lookup 101
		ip rule add pref 512 to 10.244.1.7 lookup main
		ip rule add pref 1024 fwmark 0x80/0x80 lookup main
		ip rule add pref 1536 from 10.244.1.7 lookup 2
		ip rule add pref 32765 from 192.168.12.5 lookup 2
		ip route add default dev eth0 table 2`},
	{name: "AWS VPC CNI, Pods' own ENIs, strict", lines: `
		ip rule add pref 20 lookup local; ip rule del pref 0 lookup local
		ip rule add pref 10 iif vlan.eth.1 lookup 101
		ip rule add pref 512 to 10.244.1.7 lookup main`},

	// keepalived's virtual_rules, with a preference and without, which it counts down.
	{name: "keepalived", lines: `
		ip rule add pref 100 from 192.168.10.50 lookup 55 protocol 18
		ip rule add pref 16384 to 192.168.99.0/24 lookup 56 protocol 18
		ip rule add pref 16383 from 192.168.99.0/24 lookup 56 protocol 18
		ip route add default dev eth0 table 55`},

	// linux Documentation/networking/vrf.rst; the rule at 1000 is the kernel's when the
	// first VRF is made (drivers/net/vrf.c).
	{name: "VRF", lines: `
		ip rule add l3mdev pref 1000 protocol kernel; ip rule add pref 32765 lookup local; ip rule del pref 0
		ip -6 rule add l3mdev pref 1000 protocol kernel; ip -6 rule add pref 32765 lookup local; ip -6 rule del pref 0`,
		noShield: "another rule has the preference 32766"},

	{name: "tailscale", lines: `
		ip rule add pref 5210 fwmark 0x80000/0xff0000 lookup main
		ip rule add pref 5230 fwmark 0x80000/0xff0000 lookup default
		ip rule add pref 5250 fwmark 0x80000/0xff0000 unreachable
		ip rule add pref 5270 lookup 52
		ip route add 100.100.100.100 dev eth0 table 52`},

	{name: "routed by source", lines: `
		ip rule add pref 60 from 192.168.10.115 lookup 60; ip route add default via 192.168.10.1 table 60
		ip -6 rule add pref 60 from fd00::115 lookup 60; ip -6 route add default via fd00::1 table 60`},

	{name: "reached by another table than main's", lines: `
		ip rule add pref 200 to 10.50.0.0/16 lookup 200; ip route add 10.50.0.0/16 via 192.168.10.1 table 200
		ip rule add pref 201 lookup 201; ip route add 192.168.10.0/24 dev eth0 src 192.168.10.115 table 201
		ip route del 192.168.10.0/24 dev eth0`},
}

// TestOthers: on each host the owner is reached, and reaches it, while the host reaches
// itself; the rules of others stand where they stood; and then all is as it was.
func TestOthers(t *testing.T) {
	for _, test := range hosts {
		t.Run(test.name, func(t *testing.T) {
			netns.Inside(t, func() {
				owner := victim(t, test.lines)
				k := open(t)
				before := netns.Do(t, show)
				for _, purpose := range []bypass.Purpose{bypass.Repair, bypass.Shield} {
					_, err := k.Put(context.Background(), purpose, stolen...)
					if test.noShield != "" && purpose == bypass.Shield {
						if !errors.Is(err, bypass.ErrNoPlace) || !strings.Contains(err.Error(), test.noShield) {
							t.Errorf("shield: %v", err)
						}
					} else if err != nil {
						t.Errorf("%s: %v\n%s", purpose, err, netns.Do(t, show))
					} else {
						reached(t, owner)
					}
					diff(t, purpose.String()+" stands: the others'", before, others(netns.Do(t, show)))
					if _, err := k.Take(context.Background(), purpose); err != nil {
						t.Error(err)
					}
					diff(t, purpose.String()+" taken back", before, netns.Do(t, show))
				}
				printed(t, k)
				diff(t, "printed, taken back", before, netns.Do(t, show))
			})
		})
	}
}

// victim is a host with rules of others, whose owner answers. Both listen.
func victim(t *testing.T, lines string) (owner netns.Host) {
	t.Helper()
	both := netns.LAN(t, 114, gateway)
	netns.Do(t, "ip link add kube-ipvs0 type bridge")
	netns.Listen(t, ":80")
	both[0].Run(t, func() { netns.Listen(t, ":80") })
	both[1].Do(t, "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; ip addr add 10.9.9.9/32 dev lo")
	bind(t)
	if lines != "" {
		netns.Do(t, "set -e\n"+lines)
	}
	return both[0]
}

// reached: the owner and the host reach each other, and the host itself.
func reached(t *testing.T, owner netns.Host) {
	t.Helper()
	itself(t)
	for _, line := range []string{"ping -c1 -W1 192.168.10.114", "ping -6 -c1 -W1 fd00::114"} {
		netns.Within(t, line+"\n"+netns.Do(t, show), func() bool { return netns.Works(line) })
	}
	for _, line := range []string{"ping -c1 -W1 192.168.10.115", "ping -6 -c1 -W1 fd00::115"} {
		netns.Within(t, "the owner's "+line, func() bool { return owner.Works(line) })
	}
	for _, to := range []string{"192.168.10.114:80", "[fd00::114]:80"} {
		netns.Within(t, "the owner answers at "+to, func() bool { return netns.Answers(to) })
	}
	owner.Run(t, func() {
		for _, to := range []string{"192.168.10.115:80", "[fd00::115]:80"} {
			netns.Within(t, "the host answers the owner at "+to, func() bool { return netns.Answers(to) })
		}
	})
}

// itself: the host reaches itself, at once: nothing of that goes over a network.
func itself(t *testing.T) {
	t.Helper()
	for _, line := range []string{"ping -c1 -W9 192.168.10.115", "ping -6 -c1 -W9 fd00::115", "ping -c1 -W9 127.0.0.1", "ping -6 -c1 -W9 ::1"} {
		if !netns.Works(line) {
			t.Errorf("%s fails\n%s", line, netns.Do(t, show))
		}
	}
}

// ours are the lines of show that a bypass has put.
var ours = regexp.MustCompile(`(?m)^(\d+:\tfrom all to (192\.168\.10\.114|fd00::114) goto .*|\d+:\tfrom all nop .*|unicast fd00::114 .* metric 1 .*)\n`)

// others are the lines of show without ours.
func others(text string) string { return ours.ReplaceAllString(text, "") }

func diff(t *testing.T, what, want, got string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s: not as before:\n%s", what, d)
	}
}

// printed does what is printed, as a person would, and takes it back so.
func printed(t *testing.T, k *rtnetlink.Conn) {
	t.Helper()
	h, err := k.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	changes, err := bypass.Put(h, bypass.Repair, stolen...)
	if err != nil {
		t.Fatal(err)
	}
	netns.Do(t, bypass.Lines(changes).String())
	for _, ip := range stolen {
		if w, err := k.Way(ip); err != nil || w.Local {
			t.Errorf("printed: %s goes %+v, %v", ip, w, err)
		}
	}
	if h, err = k.Read(context.Background()); err != nil {
		t.Fatal(err)
	}
	netns.Do(t, bypass.Lines(bypass.Take(h, bypass.Repair)).String())
}

// TestRoutedBySource: what a host sends from its own address goes on by the gateway of
// its own table, while the owner is reached; that the host reaches itself, too, is why a
// goto leads over the local table alone.
func TestRoutedBySource(t *testing.T) {
	netns.Inside(t, func() {
		owner := victim(t, "ip rule add pref 60 from 192.168.10.115 lookup 60; ip route add default via 192.168.10.1 table 60")
		away := func() bool { return netns.Works("ping -c1 -W1 -I 192.168.10.115 10.9.9.9") }
		netns.Within(t, "other hosts are reached by the table", away)
		k := open(t)
		if _, err := k.Put(context.Background(), bypass.Repair, stolen...); err != nil {
			t.Fatal(err)
		}
		reached(t, owner)
		netns.Within(t, "other hosts are still reached by the table", away)
		if got := netns.Do(t, "ip route get 10.9.9.9 from 192.168.10.115"); !strings.Contains(got, "via 192.168.10.1 ") || !strings.Contains(got, "table 60") {
			t.Error(got)
		}
	})
}

// TestSince: what others do to the rules while a bypass stands. The host works on, Put
// heals it, and Take leaves what the others have made of it.
func TestSince(t *testing.T) {
	for _, test := range []struct {
		name, lines string
		over        bool   // the owner is still reached
		none        string // why Put can do nothing; empty: it heals
	}{
		// The agent does so at each of its starts.
		{name: "Cilium's agent starts", lines: `
			for f in -4 -6; do
				ip $f rule add pref 9 fwmark 0x200/0xf00 lookup 2004 protocol kernel
				ip $f rule add pref 10 fwmark 0xa00/0xf00 lookup 2005 protocol kernel
				ip $f rule add pref 100 lookup local protocol kernel
				ip $f rule del pref 0 lookup local
			done`},
		// kube-router, Antrea and the plugin sbr do so: the kernel gives such a rule the
		// preference before the second rule's, if that is not 0 (net/core/fib_rules.c
		// fib_default_rule_pref): with ours it is.
		{name: "a rule without a preference", lines: "ip rule add from 10.244.0.0/16 lookup 77; ip -6 rule add from fd10::/16 lookup 77", over: true},
		{name: "a rule without a preference, and the nop gone",
			lines: "ip rule add from 10.244.0.0/16 lookup 77; ip rule del pref 1; ip -6 rule add from fd10::/16 lookup 77; ip -6 rule del pref 1"},
		// flush removes what has a preference (iproute2 ip/iprule.c flush_rule), main's
		// rule, too, with or without a bypass: that comes back by hand, or at the reboot.
		{name: "ip rule flush", lines: `ip rule flush; ip -6 rule flush
			for f in -4 -6; do ip $f rule add pref 32766 lookup main; done`},
		{name: "ip rule del pref 0", lines: "ip rule del pref 0; ip -6 rule del pref 0"},
		{name: "the nop", lines: "ip rule del pref 1; ip -6 rule del pref 1"},
		{name: "the VRF recipe", lines: `for f in -4 -6; do ip $f rule add pref 32765 lookup local; ip $f rule del pref 0; done`,
			none: "two rules look up the local table, at 0 and 32765"},
		{name: "rule 0 by hand", lines: `for f in -4 -6; do ip $f rule add pref 0 lookup local; ip $f rule del pref 0 lookup local protocol kernel; done`, over: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			netns.Inside(t, func() {
				owner := victim(t, "")
				k := open(t)
				if _, err := k.Put(context.Background(), bypass.Repair, stolen...); err != nil {
					t.Fatal(err)
				}
				netns.Do(t, "set -e\n"+test.lines)
				itself(t)
				theirs := others(netns.Do(t, show))
				for _, ip := range stolen {
					if w, err := k.Way(ip); err != nil || w.Local == test.over {
						t.Errorf("before Put: %s goes %+v, %v", ip, w, err)
					}
				}
				_, err := k.Put(context.Background(), bypass.Repair, stolen...)
				switch {
				case test.none != "" && (!errors.Is(err, bypass.ErrNoPlace) || !strings.Contains(err.Error(), test.none)):
					t.Errorf("Put: %v", err)
				case test.none == "" && err != nil:
					t.Errorf("Put: %v\n%s", err, netns.Do(t, show))
				case test.none == "":
					reached(t, owner)
				}
				if _, err := k.Take(context.Background(), bypass.Repair); err != nil {
					t.Error(err)
				}
				itself(t)
				diff(t, "taken back", theirs, netns.Do(t, show))
			})
		})
	}
}

// TestNotKernels: a rule 0 that somebody has put back by hand is of no protocol, or of
// another, and systemd-networkd would remove it. A bypass leaves the kernel's.
func TestNotKernels(t *testing.T) {
	for _, protocol := range []string{"", " protocol boot", " protocol static"} {
		netns.Inside(t, func() {
			clean := netns.Do(t, "ip -d rule")
			byHand := "ip rule add pref 0 lookup local" + protocol + " && ip rule del pref 0 lookup local protocol kernel"
			owner := victim(t, byHand)
			k := open(t)
			if before := netns.Do(t, "ip -d rule"); before == clean {
				t.Errorf("the kernel's: %s", before)
			}
			if _, err := k.Put(context.Background(), bypass.Repair, stolen...); err != nil {
				t.Fatal(err)
			}
			reached(t, owner)
			if _, err := k.Take(context.Background(), bypass.Repair); err != nil {
				t.Error(err)
			}
			diff(t, "rule 0"+protocol, clean, netns.Do(t, "ip -d rule"))
			netns.Do(t, byHand)
			printed(t, k)
			diff(t, "rule 0"+protocol+", printed", clean, netns.Do(t, "ip -d rule"))
		})
	}
}
