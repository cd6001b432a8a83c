// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"whohas/kubeproxy"
	"whohas/repair"
)

// thresholds are the times that the stop condition goes by.
type thresholds struct {
	settle time.Duration // for which a sign must stand
	quiet  time.Duration // after which nobody puts the address back any more
	long   time.Duration // the same of kube-router, and where IPVS still serves the address
}

func usual() thresholds {
	return thresholds{settle: 3 * time.Second, quiet: 2*kubeproxy.SyncPeriod + 5*time.Second, long: kubeproxy.RouterSyncPeriod + 30*time.Second}
}

// stopCondition decides when the holding may end. It is pure: it knows what it is told, in
// the order in which it happened, and its times are those that it is told.
type stopCondition struct {
	thresholds
	answered  time.Time // since when it is known that the apiserver answers; zero: never
	answering bool      // at the last look
	targets   []targetState
	removals  int
}

// targetState is how it stands with a target.
type targetState struct {
	device     string
	prefix     netip.Prefix
	on         bool
	passed     bool      // the host passes over it by a routing rule
	last       time.Time // when it was last seen on
	reappeared int       // how often it came after the apiserver answered
	served     bool      // IPVS had a virtual server on it, once
	serves     bool      // the last list had one
	gone       time.Time // since when the proxy is known to serve others, and not it
	letGo      string
}

func newStopCondition(m thresholds, targets []repair.Target) *stopCondition {
	j := &stopCondition{thresholds: m}
	for _, t := range targets {
		j.targets = append(j.targets, targetState{device: t.Device, prefix: t.Prefix})
	}
	return j
}

// appears: a target is on its device. All that was known of syncs is of before.
func (c *stopCondition) appears(i int, at time.Time) {
	s := &c.targets[i]
	s.on = true
	if !c.answered.IsZero() {
		s.reappeared++
	}
	s.disturbed(at)
}

// leaves: it is not any more; ours reports whether it was this program that took it off.
func (c *stopCondition) leaves(i int, at time.Time, ours bool) {
	s := &c.targets[i]
	s.on = false
	if ours {
		c.removals++
	}
	s.disturbed(at)
}

func (s *targetState) disturbed(at time.Time) {
	s.last, s.gone = at, time.Time{}
}

// leave lets a target go.
func (c *stopCondition) leave(i int, why string) {
	c.targets[i].letGo, c.targets[i].passed = why, false
}

// passes: from now on what the host sends to a target leaves it, or does so no more.
func (c *stopCondition) passes(i int, over bool) {
	c.targets[i].passed = over && c.targets[i].letGo == ""
}

// dialled: the apiserver answered, or did not, between two moments. While a target
// was on and not passed over, an answer shows nothing: it may have come from this host.
func (c *stopCondition) dialled(begun, ended time.Time, ok bool) {
	if !ok {
		c.answering = false
		return
	}
	for _, s := range c.targets {
		if s.letGo == "" && !s.passed && (s.on || !s.last.IsZero() && !s.last.Before(begun)) {
			return
		}
	}
	c.answering = true
	if c.answered.IsZero() {
		c.answered = ended
	}
}

// since is when the quiet began for a target; false: it has not.
func (c *stopCondition) since(s *targetState) (time.Time, bool) {
	if s.on || s.letGo != "" || c.answered.IsZero() {
		return time.Time{}, false
	}
	if s.last.After(c.answered) {
		return s.last, true
	}
	return c.answered, true
}

// listing is a list of virtual servers.
type listing struct {
	begun, ended time.Time
	whole        bool // what is not in it does not exist
	has          func(netip.Addr) bool
	any          bool // it has some
}

// listed: IPVS was asked for its virtual servers.
func (c *stopCondition) listed(l listing) {
	for i := range c.targets {
		s := &c.targets[i]
		if l.has(s.prefix.Addr()) {
			s.served, s.serves, s.gone = true, true, time.Time{}
			continue
		}
		s.serves = false
		shows := s.served || l.any && s.device != kubeproxy.RouterDevice
		if from, ok := c.since(s); ok && l.whole && shows && s.gone.IsZero() && l.begun.After(from) {
			s.gone = l.ended
		}
	}
}

// proof says what shows that the proxy lets a target be, by now; empty: nothing yet.
func (c *stopCondition) proof(s *targetState, now time.Time) string {
	from, ok := c.since(s)
	settled := func(sign time.Time) bool { return !sign.IsZero() && now.Sub(sign) >= c.settle }
	ip := s.prefix.Addr()
	switch {
	case !ok:
		return ""
	case settled(s.gone) && s.served:
		return fmt.Sprintf("the proxy has synced without %s: its IPVS virtual servers are gone", ip)
	case settled(s.gone):
		return fmt.Sprintf("the proxy has synced without %s: IPVS has virtual servers, and none on it", ip)
	case now.Sub(from) >= c.wait(s):
		return fmt.Sprintf("nothing has put %s back for %s since the apiserver answered", ip, c.wait(s))
	}
	return ""
}

// wait is how long quiet must last to prove something. A proxy that still serves an
// address has not learned of anything: on a busy node its next sync may be late (lab
// repair-orders, on a machine with too much to do: 52 seconds).
func (c *stopCondition) wait(s *targetState) time.Duration {
	if s.device == kubeproxy.RouterDevice || s.serves {
		return c.long
	}
	return c.quiet
}

// verdict reports whether it is over, and whether all targets are healed.
func (c *stopCondition) verdict(now time.Time) (over, healed bool) {
	held, left := 0, 0
	for i := range c.targets {
		s := &c.targets[i]
		switch {
		case s.letGo != "":
			left++
		case c.proof(s, now) == "":
			held++
		}
	}
	over = held == 0 && (c.answering || left == len(c.targets))
	return over, over && left == 0
}

// why says in a sentence how it stands.
func (c *stopCondition) why(now time.Time) string {
	var parts []string
	switch {
	case c.answered.IsZero():
		parts = append(parts, "the apiserver does not answer yet")
	case !c.answering:
		parts = append(parts, "the apiserver has answered, but does not now")
	default:
		parts = append(parts, "the apiserver answers")
	}
	for i := range c.targets {
		if text := c.whyOf(&c.targets[i], now); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

func (c *stopCondition) whyOf(s *targetState, now time.Time) string {
	ip := s.prefix.Addr()
	from, since := c.since(s)
	proof := c.proof(s, now)
	switch {
	case s.letGo != "":
		return fmt.Sprintf("%s was left alone: %s", ip, s.letGo)
	case s.on && s.passed:
		return fmt.Sprintf("%s is on %s still, and passed over", ip, s.device)
	case s.on:
		return fmt.Sprintf("%s is on %s", ip, s.device)
	case proof != "":
		return proof
	case !s.gone.IsZero():
		return fmt.Sprintf("the proxy seems to have synced without %s", ip)
	case s.reappeared > 0:
		return fmt.Sprintf("%s was put back %s since the apiserver answered, last %s ago: the claim still stands, or the proxy has not learned of its end",
			ip, times(s.reappeared), now.Sub(s.last).Round(time.Second))
	case !since:
		return fmt.Sprintf("%s is off %s", ip, s.device)
	}
	return fmt.Sprintf("nothing has put %s back for %s, but no sync without it was seen", ip, now.Sub(from).Round(time.Second))
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// outcome is what is known at the end.
func (c *stopCondition) outcome(now time.Time) Outcome {
	out := Outcome{Removed: c.removals, Answered: c.answered}
	for i := range c.targets {
		s := &c.targets[i]
		t := TargetOutcome{Device: s.device, Prefix: s.prefix, On: s.on, Last: s.last, Reappeared: s.reappeared, Proof: c.proof(s, now), LetGo: s.letGo}
		out.Targets = append(out.Targets, t)
		out.Reappeared += s.reappeared
		if s.last.After(out.Last) {
			out.Last = s.last
		}
	}
	return out
}
