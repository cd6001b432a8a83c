// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"whohas/bypass"
	"whohas/bypass/rtnetlink"
	"whohas/shield/watch"
	"whohas/source/host"
	"whohas/testkit/netns"
)

// rules are a host's routing rules, as ip shows them.
func (n *node) rules() string {
	out, err := exec.Command("ip", "-d", "rule").CombinedOutput()
	if err != nil {
		n.t.Errorf("ip rule: %v\n%s", err, out)
	}
	return string(out)
}

// stolenHere reports whether the kernel delivers the stolen address to the host itself.
func (n *node) stolenHere() bool {
	routes, err := n.links.RouteGet(stolen.Prefix.Addr().AsSlice())
	n.do(err)
	return routes[0].Type == unix.RTN_LOCAL
}

// works reports whether the host reaches itself at its own address.
func (n *node) works() bool {
	routes, err := n.links.RouteGet(netip.MustParseAddr("192.168.10.115").AsSlice())
	return err == nil && routes[0].Type == unix.RTN_LOCAL
}

func within(d time.Duration, f func() bool) bool {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if f() {
			return true
		}
	}
	return false
}

// TestByRule: the apiserver answers while the proxy holds the address as it likes; when
// the proxy has let it go the rules are taken back, and all is as before.
func TestByRule(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.owner()
		b.dials = host.Connect
		before := n.rules()
		stop := n.proxy("kube-ipvs0", taken, 10*time.Millisecond)
		defer stop()
		within(time.Minute, n.stolenHere)
		o := b.options(nil, stolen)
		o.By, o.APIServers = ByRule, apiserverAt
		h, err := Begin(context.Background(), o)
		n.do(err)
		defer h.Close()
		if n.stolenHere() || !n.works() || !n.has("kube-ipvs0", taken) {
			t.Errorf("stolen %v, works %v\n%s", n.stolenHere(), n.works(), n.rules())
		}
		stopped := make(chan bool)
		device := n.link("kube-ipvs0")
		var answered bool // while the proxy had it
		go func() {
			defer close(stopped)
			answered = within(20*time.Second, func() bool { return strings.Contains(b.text(), "the apiserver answers") })
			time.Sleep(time.Second)
			stop()
			_ = n.links.AddrDel(device, parsed(taken))
		}()
		out, err := h.Wait(context.Background())
		<-stopped
		if err != nil || !out.Healed || !out.ByRule || out.Removed != 0 || !answered || out.Answered.IsZero() || !out.Answered.Before(out.Last) {
			t.Errorf("%+v, %v\n%s", out, err, b.text())
		}
		if after := n.rules(); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

// TestRuleStands: as long as the claim stands the rules do, also when the time is over;
// the next repair goes on from there.
func TestRuleStands(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.owner()
		b.dials = host.Connect
		n.add("kube-ipvs0", taken)
		before := n.rules()
		o := b.options(nil, stolen)
		o.By, o.APIServers, o.Limit = ByRule, apiserverAt, time.Second
		out, err := Heal(context.Background(), o)
		if err != nil || out.Healed || !strings.Contains(out.Why, "192.168.10.114 is on kube-ipvs0 still, and passed over") || n.stolenHere() {
			t.Errorf("%+v, %v", out, err)
		}
		n.do(n.links.AddrDel(n.link("kube-ipvs0"), parsed(taken)))
		o.Limit = time.Minute
		out, err = Heal(context.Background(), o)
		if err != nil || !out.Healed || n.rules() != before {
			t.Errorf("%+v, %v\n%s", out, err, n.rules())
		}
	})
}

// TestRoutesWait: what comes back only when the address is off lets it be taken off, and
// no longer than that.
func TestRoutesWait(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		stop := n.proxy("kube-ipvs0", taken, 200*time.Millisecond)
		defer stop()
		waits := 0
		o := b.options(nil, stolen)
		o.By, o.Limit = ByRule, 3*time.Second
		o.Waits = func(context.Context) []string {
			if waits++; waits > 10 {
				return nil
			}
			return []string{"route through the tunnel to 192.168.10.114"}
		}
		out, err := Heal(context.Background(), o)
		if err != nil || out.Removed == 0 || !strings.Contains(b.text(), "taking the address off as well") || !n.has("kube-ipvs0", taken) {
			t.Errorf("%+v, %v\n%s", out, err, b.text())
		}
	})
}

// TestRuleGoesForOwner: when the address comes to a card the rule is gone at once, and
// the host reaches itself at it. VRRP takes over within a second (RFC 5798, 6.1).
func TestRuleGoesForOwner(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		o := b.options(nil, stolen)
		o.By = ByRule
		h, err := Begin(context.Background(), o)
		n.do(err)
		defer h.Close()
		n.add("eth0", taken)
		begun := time.Now()
		if !within(10*time.Second, n.stolenHere) {
			t.Errorf("the host does not reach its own address\n%s", n.rules())
		}
		t.Logf("gone after %s", time.Since(begun))
		out, err := h.Wait(context.Background())
		if err != nil || out.Healed || !strings.Contains(out.Why, "eth0 has it, too") {
			t.Errorf("%+v, %v", out, err)
		}
		if strings.Contains(n.rules(), "192.168.10.114") {
			t.Errorf("left behind:\n%s", n.rules())
		}
	})
}

// TestRulesRemoved: who removes the rules finds them put again.
func TestRulesRemoved(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		o := b.options(nil, stolen)
		o.By, o.Limit = ByRule, 5*time.Second
		h, err := Begin(context.Background(), o)
		n.do(err)
		defer h.Close()
		if out, err := exec.Command("ip", "rule", "del", "pref", "1").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		if !n.stolenHere() {
			t.Error("without its target a goto leads nowhere")
		}
		_, _ = h.Wait(context.Background())
		if n.stolenHere() || !strings.Contains(b.text(), "put again") {
			t.Errorf("%s\n%s", n.rules(), b.text())
		}
	})
}

// TestTwoByRule: one repair at a time, also by rule; the second changes nothing.
func TestTwoByRule(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		o := b.options(nil, stolen)
		o.By = ByRule
		h, err := Begin(context.Background(), o)
		n.do(err)
		defer h.Close()
		before := n.rules()
		if _, err := Begin(context.Background(), o); !errors.Is(err, ErrHeld) {
			t.Errorf("%v", err)
		}
		if after := n.rules(); after != before || n.stolenHere() {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

// TestUnderShield: a repair on a host whose shield stands, and is kept, finds its work
// done: it puts no rule, and takes none of the shield's.
func TestUnderShield(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.owner()
		b.dials = host.Connect
		n.add("kube-ipvs0", taken)
		ctx, cancel := context.WithCancel(context.Background())
		kept, told := make(chan error), make(chan watch.Event, 10)
		here := netns.Here(t)
		go here.Run(t, func() {
			kept <- watch.Run(ctx, watch.Options{Addresses: []netip.Addr{stolen.Prefix.Addr()}, Tell: func(e watch.Event) { told <- e }})
		})
		defer func() { cancel(); <-kept }()
		if e := <-told; e.Text != "the shield stands" || n.stolenHere() {
			t.Errorf("%+v\n%s", e, n.rules())
		}
		before := n.rules()
		o := b.options(nil, stolen)
		o.By, o.APIServers = ByRule, apiserverAt
		h, err := Begin(context.Background(), o)
		n.do(err)
		defer h.Close()
		netns.Within(t, "it is told", func() bool { return strings.Contains(b.text(), "the rule stood before") })
		if during := n.rules(); during != before {
			t.Errorf("before:\n%s\nduring:\n%s\n%s", before, during, b.text())
		}
		n.do(n.links.AddrDel(n.link("kube-ipvs0"), parsed(taken)))
		out, err := h.Wait(context.Background())
		if err != nil || !out.Healed || !out.ByRule {
			t.Errorf("%+v, %v\n%s", out, err, b.text())
		}
		if after := n.rules(); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

// TestByRuleIPv6: an address of IPv6, from its theft to the end of the claim.
func TestByRuleIPv6(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.owner()
		b.dials = host.Connect
		n.add("eth0", "2001:db8::115/64")
		const show = "ip -d -6 rule; ip -d -6 route show table main"
		six := target("kube-ipvs0", "2001:db8::114/128")
		local := func() bool { return netns.Works("ip -6 route get 2001:db8::114 | grep -q ^local") }
		netns.Within(t, "the card is up", func() bool { return netns.Works("ping -6 -c1 -W1 2001:db8::114") })
		before := netns.Do(t, show)
		n.add("kube-ipvs0", six.Prefix.String())
		netns.Within(t, "it is stolen", local)
		o := b.options(nil, six)
		o.By, o.APIServers = ByRule, []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::114]:6443")}
		h, err := Begin(context.Background(), o)
		n.do(err)
		defer h.Close()
		if local() || !netns.Works("ip -6 route get 2001:db8::114 | grep -q 'src 2001:db8::115'") || !netns.Works("ping -6 -c1 -W9 2001:db8::115") {
			t.Errorf("%s\n%s", netns.Do(t, show+"; ip -6 route get 2001:db8::114"), b.text())
		}
		answered := make(chan bool)
		device := n.link("kube-ipvs0")
		go func() {
			defer close(answered)
			netns.Within(t, "the apiserver answers", func() bool { return strings.Contains(b.text(), "the apiserver answers") })
			_ = n.links.AddrDel(device, parsed(six.Prefix.String()))
		}()
		out, err := h.Wait(context.Background())
		<-answered
		if err != nil || !out.Healed || !out.ByRule || out.Removed != 0 || out.Answered.IsZero() {
			t.Errorf("%+v, %v\n%s", out, err, b.text())
		}
		if after := netns.Do(t, show); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

// TestClusterIPByRule: an address that kube-proxy has among its ClusterIPs gets no rule.
func TestClusterIPByRule(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		b.members = []string{"10.96.0.1,tcp:443", "192.168.10.114,tcp:443"}
		before := n.rules()
		o := b.options(nil, stolen)
		o.By = ByRule
		out, err := Heal(context.Background(), o)
		if err != nil || out.Healed || !strings.Contains(out.Why, "it is a ClusterIP, says ipset KUBE-CLUSTER-IP") {
			t.Errorf("%+v, %v", out, err)
		}
		if after := n.rules(); after != before || !n.stolenHere() || b.kinds()[Ruled] > 0 {
			t.Errorf("%s\n%s", after, b.text())
		}
	})
}

// TestNoPlaceForRule: where rules of others leave no place the address is held off; where
// only the rule was asked for, nothing is done.
func TestNoPlaceForRule(t *testing.T) {
	for _, by := range []By{"", ByRule} {
		netns.Inside(t, func() {
			n, b := newNode(t), newBench(t)
			n.add("kube-ipvs0", taken)
			if out, err := exec.Command("ip", "rule", "add", "pref", "0", "from", "10.0.0.0/8", "lookup", "100").CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
			o := b.options(nil, stolen)
			o.By, o.Limit = by, time.Second
			out, err := Heal(context.Background(), o)
			switch {
			case by == ByRule && (!errors.Is(err, bypass.ErrNoPlace) || !n.has("kube-ipvs0", taken)):
				t.Errorf("%+v, %v", out, err)
			case by == "" && (err != nil || out.ByRule || out.Removed != 1 || n.has("kube-ipvs0", taken)):
				t.Errorf("%+v, %v\n%s", out, err, b.text())
			}
		})
	}
}

// TestRuleKilled: killed at any moment a repair leaves a host that works, and the next
// one ends what it began.
func TestRuleKilled(t *testing.T) {
	const moments = 20
	if os.Getenv(asChild) != "" {
		b := newBench(t)
		o := b.options(nil, stolen)
		o.By = ByRule
		os.Stdout.WriteString("begun\n")
		_, _ = Heal(context.Background(), o)
		return
	}
	netns.Inside(t, func() {
		n := newNode(t)
		before := n.rules()
		n.add("kube-ipvs0", taken)
		for moment := range moments {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestRuleKilled$")
			cmd.Env = append(os.Environ(), asChild+"=1")
			cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
			pipe, err := cmd.StdoutPipe()
			n.do(err)
			n.do(cmd.Start())
			word := make([]byte, len("begun\n"))
			_, _ = pipe.Read(word)
			time.Sleep(time.Duration(rand.IntN(1+moment*1000)) * time.Microsecond)
			n.do(cmd.Process.Kill())
			_ = cmd.Wait()
			if !n.works() || !strings.Contains(n.rules(), "lookup local") {
				t.Errorf("moment %d: the host does not reach itself\n%s", moment, n.rules())
			}
			if moment%2 == 1 {
				conn, err := rtnetlink.Open()
				n.do(err)
				_, err = conn.Take(context.Background(), bypass.Repair)
				conn.Close()
				if after := n.rules(); err != nil || after != before {
					t.Errorf("moment %d: taken back: %v\n%s", moment, err, after)
				}
			}
		}
	})
}

// TestEachStepKilled: the same at each step, one by one, by the plan.
func TestEachStepKilled(t *testing.T) {
	netns.Inside(t, func() {
		n := newNode(t)
		n.add("kube-ipvs0", taken)
		n.add("kube-ipvs0", "192.168.10.1/32")
		conn, err := rtnetlink.Open()
		n.do(err)
		defer conn.Close()
		h, err := conn.Read(context.Background())
		n.do(err)
		before := n.rules()
		put, err := bypass.Put(h, bypass.Repair, stolen.Prefix.Addr(), netip.MustParseAddr("192.168.10.1"))
		n.do(err)
		for i := range put {
			for _, line := range strings.Split(bypass.Lines(put[:i+1]).String(), " && ") {
				if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", line, err, out)
				}
				if !n.works() {
					t.Errorf("after %s the host does not reach itself", line)
				}
			}
			_, err := conn.Take(context.Background(), bypass.Repair)
			if after := n.rules(); err != nil || after != before {
				t.Errorf("killed after step %d, taken back: %v\n%s", i, err, after)
			}
		}
	})
}
