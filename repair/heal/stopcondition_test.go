// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"whohas/repair"
)

func target(device, prefix string) repair.Target {
	return repair.Target{Device: device, Prefix: netip.MustParsePrefix(prefix), Evidence: []string{"Node cdev01 has it"}}
}

var stolen = target("kube-ipvs0", "192.168.10.114/32")

// at is a moment of a made-up repair, in seconds after its begin.
func at(seconds float64) time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

// TestJudge tells stories, and when they end. Each step is at its second; has is
// whether IPVS has a virtual server on the address.
func TestJudge(t *testing.T) {
	type step struct {
		at   float64
		what string // on, off, ok (the apiserver answers), no, has, lacks, empty (nor any other), partly (a list that is not whole and lacks it), left
	}
	for _, test := range []struct {
		name   string
		steps  []step
		device string
		over   float64 // the first second at which it is over; 0: never in 400 s
		healed bool
		why    string // part of the reason then, or at the end
	}{
		{name: "the virtual server goes", over: 13, healed: true, why: "virtual servers are gone",
			steps: []step{{0, "has"}, {0.1, "on"}, {0.2, "off"}, {1, "ok"}, {3, "has"}, {10, "lacks"}}},
		{name: "a list that is not whole shows nothing", over: 66, healed: true, why: "for 1m5s",
			steps: []step{{0, "has"}, {0.1, "on"}, {0.2, "off"}, {1, "ok"}, {10, "partly"}}},
		{name: "no virtual server was ever seen", over: 66, healed: true, why: "nothing has put 192.168.10.114 back",
			steps: []step{{0, "empty"}, {0.1, "on"}, {0.2, "off"}, {1, "ok"}, {10, "empty"}}},
		{name: "the proxy serves others, and not it", over: 13, healed: true, why: "IPVS has virtual servers, and none on it",
			steps: []step{{0, "lacks"}, {0.1, "on"}, {0.2, "off"}, {1, "ok"}, {10, "lacks"}}},
		{name: "before the apiserver answers nothing counts", over: 266, healed: true, why: "for 1m5s",
			steps: []step{{0, "has"}, {0.1, "on"}, {0.2, "off"}, {1, "no"}, {5, "lacks"}, {201, "ok"}}},
		{name: "the apiserver never answers", why: "does not answer yet",
			steps: []step{{0, "has"}, {0.1, "on"}, {0.2, "off"}, {1, "no"}, {5, "lacks"}}},
		{name: "an answer while it is on is this host's", why: "does not answer yet",
			steps: []step{{0.1, "on"}, {1, "ok"}, {2, "off"}}},
		{name: "an answer that began while it was on, too", why: "does not answer yet",
			steps: []step{{0.1, "on"}, {1, "off"}, {1, "ok"}}},
		{name: "the claim still stands", why: "put back 7 times",
			steps: []step{{0, "has"}, {0.1, "on"}, {0.2, "off"}, {1, "ok"}, {5, "on"}, {5.1, "off"}, {60, "on"}, {60.1, "off"}, {120, "on"}, {120.1, "off"},
				{180, "on"}, {180.1, "off"}, {240, "on"}, {240.1, "off"}, {300, "on"}, {300.1, "off"}, {360, "on"}, {360.1, "off"}}},
		{name: "it is put back, then the claim goes", over: 43, healed: true, why: "virtual servers are gone",
			steps: []step{{0, "has"}, {0.1, "on"}, {0.2, "off"}, {1, "ok"}, {35, "on"}, {35.1, "off"}, {36, "has"}, {40, "lacks"}}},
		{name: "it is put back when all seemed well", over: 45, healed: true, why: "virtual servers are gone",
			steps: []step{{0, "has"}, {0.1, "on"}, {0.2, "off"}, {1, "ok"}, {10, "lacks"}, {12, "on"}, {12.1, "off"}, {42, "lacks"}}},
		{name: "the virtual server stays: the proxy has learned of nothing", why: "no sync without it was seen",
			steps: []step{{0, "has"}, {0.1, "on"}, {0.2, "off"}, {100, "ok"}, {110, "has"}}},
		{name: "the virtual server comes back", over: 331, healed: true, why: "for 5m30s",
			steps: []step{{0, "has"}, {0.1, "on"}, {0.2, "off"}, {1, "ok"}, {10, "lacks"}, {12, "has"}}},
		{name: "the apiserver must answer at the end, too", over: 90, healed: true, why: "the apiserver answers",
			steps: []step{{0, "has"}, {0.1, "on"}, {0.2, "off"}, {1, "ok"}, {10, "lacks"}, {11, "no"}, {90, "ok"}}},
		{name: "kube-router syncs every five minutes", device: "kube-dummy-if", over: 331, healed: true, why: "for 5m30s",
			steps: []step{{0.1, "on"}, {0.2, "off"}, {1, "ok"}, {40, "lacks"}, {80, "lacks"}}},
		{name: "it was off already", over: 66, healed: true, why: "for 1m5s", steps: []step{{1, "ok"}}},
		{name: "this host has become its owner", over: 5, why: "left alone: eth0 has it",
			steps: []step{{0.1, "on"}, {0.2, "off"}, {5, "left"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			of := stolen
			if test.device != "" {
				of.Device = test.device
			}
			j := newStopCondition(usual(), []repair.Target{of})
			over, healed, now, steps := false, false, time.Time{}, test.steps
			for tick := 0; tick <= 4000 && !over; tick++ {
				now = at(float64(tick) / 10)
				for len(steps) > 0 && !at(steps[0].at).After(now) {
					tell(j, 0, steps[0].what, at(steps[0].at))
					steps = steps[1:]
				}
				over, healed = j.verdict(now)
			}
			if want := test.over != 0; over != want || over && !now.Equal(at(test.over)) || healed != test.healed {
				t.Errorf("over %v after %v, healed %v: want %v s, %v", over, now.Sub(at(0)), healed, test.over, test.healed)
			}
			if why := j.why(now); !strings.Contains(why, test.why) {
				t.Errorf("why is %q, want %q in it", why, test.why)
			}
		})
	}
}

// tell tells the stop condition of what happened to one target, or to all.
func tell(c *stopCondition, i int, what string, now time.Time) {
	has := func(yes bool) func(netip.Addr) bool { return func(netip.Addr) bool { return yes } }
	switch what {
	case "on":
		c.appears(i, now)
	case "off":
		c.leaves(i, now, true)
	case "left":
		c.leave(i, "eth0 has it")
	case "ok", "no":
		c.dialled(now, now, what == "ok")
	case "has", "lacks", "empty", "partly":
		c.listed(listing{begun: now, ended: now, whole: what != "partly", has: has(what == "has"), any: what != "empty"})
	default:
		panic(what)
	}
}

// told is one thing that happened to one target, or to all.
type told struct {
	at     int // seconds
	what   string
	target int
}

// TestStopNeverTooEarly holds the stop condition against the package's words, read off the
// whole story: it says healed only where all of them are true, and where they are it
// says so.
func TestStopNeverTooEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		targets := []repair.Target{stolen, target("kube-dummy-if", "192.168.10.115/32")}[:rapid.IntRange(1, 2).Draw(t, "targets")]
		j := newStopCondition(usual(), targets)
		var story []told
		on := make([]bool, len(targets))
		now := 0
		for n := rapid.IntRange(1, 40).Draw(t, "steps"); n > 0; n-- {
			now += rapid.SampledFrom([]int{1, 2, 4, 40, 70, 400}).Draw(t, "later")
			what := rapid.SampledFrom([]string{"on", "off", "left", "ok", "ok", "no", "has", "lacks", "lacks", "empty", "partly"}).Draw(t, "what")
			i := rapid.IntRange(0, len(targets)-1).Draw(t, "of")
			if what == "on" && on[i] || what == "off" && !on[i] || what == "left" && rapid.IntRange(0, 5).Draw(t, "rarely") > 0 {
				what = "ok"
			}
			if what == "on" || what == "off" {
				on[i] = what == "on"
			}
			story = append(story, told{now, what, i})
			tell(j, i, what, at(float64(now)))
			over, healed := j.verdict(at(float64(now)))
			wantOver, wantHealed := slowVerdict(story, targets, now)
			if over != wantOver || healed != wantHealed {
				t.Fatalf("over %v, healed %v, want %v, %v\n%s", over, healed, wantOver, wantHealed, printed(story))
			}
		}
	})
}

func printed(story []told) string {
	var b strings.Builder
	for _, e := range story {
		fmt.Fprintf(&b, "%4d %s %d\n", e.at, e.what, e.target)
	}
	return b.String()
}

// slowVerdict reads the package comment's conditions off the story.
func slowVerdict(story []told, targets []repair.Target, now int) (over, healed bool) {
	left := make([]bool, len(targets))
	answered, answering := -1, false
	for n, e := range story {
		switch e.what {
		case "left":
			left[e.target] = true
		case "no":
			answering = false
		case "ok":
			if allOff(story[:n], len(targets), e.at) {
				answering = true
				if answered < 0 {
					answered = e.at
				}
			}
		}
	}
	held, alone := 0, 0
	for i := range targets {
		switch {
		case left[i]:
			alone++
		case answered < 0 || !slowlyProven(story, i, targets[i].Device, answered, now):
			held++
		}
	}
	over = held == 0 && (answering || alone == len(targets))
	return over, over && alone == 0
}

// allOff reports whether, of all targets that are not left alone, none was on at, or is.
func allOff(story []told, targets, at int) bool {
	for i := range targets {
		on, last, alone := false, -1, false
		for _, e := range story {
			switch {
			case e.what == "left" && e.target == i:
				alone = true
			case (e.what == "on" || e.what == "off") && e.target == i:
				on, last = e.what == "on", e.at
			}
		}
		if !alone && (on || last >= at) {
			return false
		}
	}
	return true
}

// slowlyProven takes the quiet time of a target apart. A sign counts from the first
// time at which it was complete; a virtual server that comes back takes it away.
func slowlyProven(story []told, i int, device string, answered, now int) bool {
	from, on, router := answered, false, device == "kube-dummy-if"
	for _, e := range story {
		if (e.what == "on" || e.what == "off") && e.target == i {
			from, on = max(from, e.at), e.what == "on"
		}
	}
	if on {
		return false
	}
	need, serves := 65, false
	for _, e := range story {
		switch e.what {
		case "has":
			serves = true
		case "lacks", "empty", "partly":
			serves = false
		}
	}
	if router || serves {
		need = 330
	}
	if now-from >= need {
		return true
	}
	gone := -1 // since when
	for n, e := range story {
		if e.at <= from {
			continue
		}
		switch e.what {
		case "has":
			gone = -1
		case "lacks", "empty":
			had := slices.ContainsFunc(story[:n], func(e told) bool { return e.what == "has" })
			if gone < 0 && (had || e.what == "lacks" && !router) {
				gone = e.at
			}
		}
	}
	return gone >= 0 && now-gone >= 3
}
