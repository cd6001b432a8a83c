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

// measures are the times that the judge goes by.
type measures struct {
	settle time.Duration // for which a sign must stand
	quiet  time.Duration // after which nobody puts the address back any more
	long   time.Duration // the same of kube-router, and where IPVS still serves the address
}

func usual() measures {
	return measures{settle: 3 * time.Second, quiet: 2*kubeproxy.SyncPeriod + 5*time.Second, long: kubeproxy.RouterSyncPeriod + 30*time.Second}
}

// judge decides when the holding may end. It is pure: it knows what it is told, in
// the order in which it happened, and its times are those that it is told.
type judge struct {
	measures
	answered  time.Time // since when it is known that the apiserver answers; zero: never
	answering bool      // at the last look
	standing  []standing
	removals  int
}

// standing is how it stands with a target.
type standing struct {
	device string
	prefix netip.Prefix
	on     bool
	passed bool      // the host passes over it by a routing rule
	last   time.Time // when it was last seen on
	again  int       // how often it came after the apiserver answered
	served bool      // IPVS had a virtual server on it, once
	serves bool      // the last list had one
	gone   time.Time // since when the proxy is known to serve others, and not it
	letGo  string
}

func newJudge(m measures, targets []repair.Target) *judge {
	j := &judge{measures: m}
	for _, t := range targets {
		j.standing = append(j.standing, standing{device: t.Device, prefix: t.Prefix})
	}
	return j
}

// appears: a target is on its device. All that was known of syncs is of before.
func (j *judge) appears(i int, at time.Time) {
	s := &j.standing[i]
	s.on = true
	if !j.answered.IsZero() {
		s.again++
	}
	s.disturbed(at)
}

// leaves: it is not any more; ours reports whether it was this program that took it off.
func (j *judge) leaves(i int, at time.Time, ours bool) {
	s := &j.standing[i]
	s.on = false
	if ours {
		j.removals++
	}
	s.disturbed(at)
}

func (s *standing) disturbed(at time.Time) {
	s.last, s.gone = at, time.Time{}
}

// leave lets a target go.
func (j *judge) leave(i int, why string) { j.standing[i].letGo, j.standing[i].passed = why, false }

// passes: from now on what the host sends to a target leaves it, or does so no more.
func (j *judge) passes(i int, over bool) { j.standing[i].passed = over && j.standing[i].letGo == "" }

// dialled: the apiserver answered, or did not, between two moments. While a target
// was on and not passed over, an answer shows nothing: it may have come from this host.
func (j *judge) dialled(begun, ended time.Time, ok bool) {
	if !ok {
		j.answering = false
		return
	}
	for _, s := range j.standing {
		if s.letGo == "" && !s.passed && (s.on || !s.last.IsZero() && !s.last.Before(begun)) {
			return
		}
	}
	j.answering = true
	if j.answered.IsZero() {
		j.answered = ended
	}
}

// since is when the quiet began for a target; false: it has not.
func (j *judge) since(s *standing) (time.Time, bool) {
	if s.on || s.letGo != "" || j.answered.IsZero() {
		return time.Time{}, false
	}
	if s.last.After(j.answered) {
		return s.last, true
	}
	return j.answered, true
}

// listing is a list of virtual servers.
type listing struct {
	begun, ended time.Time
	whole        bool // what is not in it does not exist
	has          func(netip.Addr) bool
	any          bool // it has some
}

// listed: IPVS was asked for its virtual servers.
func (j *judge) listed(l listing) {
	for i := range j.standing {
		s := &j.standing[i]
		if l.has(s.prefix.Addr()) {
			s.served, s.serves, s.gone = true, true, time.Time{}
			continue
		}
		s.serves = false
		shows := s.served || l.any && s.device != kubeproxy.RouterDevice
		if from, ok := j.since(s); ok && l.whole && shows && s.gone.IsZero() && l.begun.After(from) {
			s.gone = l.ended
		}
	}
}

// proof says what shows that the proxy lets a target be, by now; empty: nothing yet.
func (j *judge) proof(s *standing, now time.Time) string {
	from, ok := j.since(s)
	settled := func(sign time.Time) bool { return !sign.IsZero() && now.Sub(sign) >= j.settle }
	ip := s.prefix.Addr()
	switch {
	case !ok:
		return ""
	case settled(s.gone) && s.served:
		return fmt.Sprintf("the proxy has synced without %s: its IPVS virtual servers are gone", ip)
	case settled(s.gone):
		return fmt.Sprintf("the proxy has synced without %s: IPVS has virtual servers, and none on it", ip)
	case now.Sub(from) >= j.wait(s):
		return fmt.Sprintf("nothing has put %s back for %s since the apiserver answered", ip, j.wait(s))
	}
	return ""
}

// wait is how long quiet must last to prove something. A proxy that still serves an
// address has not learned of anything: on a busy node its next sync may be late (lab
// repair-orders, on a machine with too much to do: 52 seconds).
func (j *judge) wait(s *standing) time.Duration {
	if s.device == kubeproxy.RouterDevice || s.serves {
		return j.long
	}
	return j.quiet
}

// verdict reports whether it is over, and whether all targets are healed.
func (j *judge) verdict(now time.Time) (over, healed bool) {
	held, left := 0, 0
	for i := range j.standing {
		s := &j.standing[i]
		switch {
		case s.letGo != "":
			left++
		case j.proof(s, now) == "":
			held++
		}
	}
	over = held == 0 && (j.answering || left == len(j.standing))
	return over, over && left == 0
}

// why says in a sentence how it stands.
func (j *judge) why(now time.Time) string {
	var parts []string
	switch {
	case j.answered.IsZero():
		parts = append(parts, "the apiserver does not answer yet")
	case !j.answering:
		parts = append(parts, "the apiserver has answered, but does not now")
	default:
		parts = append(parts, "the apiserver answers")
	}
	for i := range j.standing {
		if text := j.whyOf(&j.standing[i], now); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}

func (j *judge) whyOf(s *standing, now time.Time) string {
	ip := s.prefix.Addr()
	from, since := j.since(s)
	proof := j.proof(s, now)
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
	case s.again > 0:
		return fmt.Sprintf("%s was put back %s since the apiserver answered, last %s ago: the claim still stands, or the proxy has not learned of its end",
			ip, times(s.again), now.Sub(s.last).Round(time.Second))
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
func (j *judge) outcome(now time.Time) Outcome {
	out := Outcome{Removed: j.removals, Answered: j.answered}
	for i := range j.standing {
		s := &j.standing[i]
		t := TargetOutcome{Device: s.device, Prefix: s.prefix, On: s.on, Last: s.last, Again: s.again, Proof: j.proof(s, now), LetGo: s.letGo}
		out.Targets = append(out.Targets, t)
		out.Again += s.again
		if s.last.After(out.Last) {
			out.Last = s.last
		}
	}
	return out
}
