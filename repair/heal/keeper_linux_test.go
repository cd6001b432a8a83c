// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"whohas/repair"
	"whohas/source/monitor"
)

// madeUp is a kernel whose announcements may be late or lost, and whose answers fail.
type madeUp struct {
	there    map[spot]bool
	untold   []monitor.Change
	missed   bool
	fail     map[string]error // by call
	removals []spot
}

func announced(s spot, gone bool) monitor.Change {
	return monitor.Change{Of: monitor.Address, Gone: gone, Index: s.index, Prefix: s.prefix}
}

func (m *madeUp) Wait(time.Duration) error { return m.fail["wait"] }

func (m *madeUp) Changes() ([]monitor.Change, error) {
	out, err := m.untold, m.fail["announced"]
	if m.missed {
		err = monitor.ErrMissed
	}
	m.untold, m.missed = nil, false
	return out, err
}

func (m *madeUp) list() ([]spot, bool, error) {
	var out []spot
	for s := range m.there {
		out = append(out, s)
	}
	return out, m.fail["whole"] == nil, m.fail["list"]
}

var madeUpDevices = map[int]string{1: "lo", 2: "eth0", 7: "kube-ipvs0", 8: "kube-dummy-if"}

func (m *madeUp) device(name string) (int, string, error) {
	for index, n := range madeUpDevices {
		if n == name {
			return index, "dummy", m.fail["device"]
		}
	}
	return 0, "", errNoDevice
}

func (m *madeUp) name(index int) (string, error) { return madeUpDevices[index], m.fail["name"] }

func (m *madeUp) remove(s spot) error {
	if err := m.fail["remove"]; err != nil {
		return err
	}
	m.removals = append(m.removals, s)
	if !m.there[s] {
		return fmt.Errorf("remove: %w", os.ErrNotExist)
	}
	delete(m.there, s)
	m.untold = append(m.untold, announced(s, true))
	return nil
}

func (m *madeUp) close() {}

// put puts an address on a device, or takes it off, and announces it, unless lost.
func (m *madeUp) put(s spot, on, lost bool) {
	if on {
		m.there[s] = true
	} else {
		delete(m.there, s)
	}
	if lost {
		m.missed = true
		return
	}
	m.untold = append(m.untold, announced(s, !on))
}

func madeUpKeeper(m *madeUp, events *[]Event, targets ...repair.Target) *keeper {
	return &keeper{kernel: m, kind: "dummy", second: time.Second, targets: targets, spots: map[spot]bool{},
		state: &state{stopCondition: newStopCondition(usual(), targets)}, say: func(e Event) { *events = append(*events, e) }}
}

var stolenSpot = spot{7, stolen.Prefix}

// TestKeeperGoesOn: what fails is told once, and tried again; without permission it
// is over.
func TestKeeperGoesOn(t *testing.T) {
	broken := errors.New("the kernel is busy")
	for _, test := range []struct {
		fail    string
		err     error
		removed bool // while it fails
		over    error
	}{
		{"announced", broken, true, nil},
		{"whole", broken, true, nil},
		{"device", broken, false, nil},
		{"device", errNoDevice, false, nil},
		{"name", broken, false, nil},
		{"name", errNoDevice, false, nil},
		{"remove", broken, false, nil},
		{"remove", fmt.Errorf("remove: %w", unix.EPERM), false, os.ErrPermission},
	} {
		t.Run(test.fail, func(t *testing.T) {
			var events []Event
			m := &madeUp{there: map[spot]bool{}, fail: map[string]error{test.fail: test.err}}
			k := madeUpKeeper(m, &events, stolen)
			m.put(stolenSpot, true, false)
			for range 3 {
				if err := k.look(); !errors.Is(err, test.over) {
					t.Fatal(err)
				}
			}
			if got := !m.there[stolenSpot]; got != test.removed {
				t.Errorf("removed %v", got)
			}
			told := 0
			for _, e := range events {
				if e.Kind == Failed {
					told++
				}
			}
			if told > 1 || told == 0 && errors.Is(test.err, broken) && test.fail != "whole" {
				t.Errorf("told %d times: %v", told, events)
			}
			m.fail = nil
			if err := k.look(); err != nil || m.there[stolenSpot] {
				t.Errorf("afterwards: %v, %v", err, m.there)
			}
		})
	}
	m := &madeUp{fail: map[string]error{"list": broken}}
	if err := madeUpKeeper(m, new([]Event), stolen).look(); !errors.Is(err, broken) {
		t.Errorf("without a list: %v", err)
	}
}

// TestSomebodyIsFaster: what is gone already was not removed here.
func TestSomebodyIsFaster(t *testing.T) {
	var events []Event
	m := &madeUp{there: map[spot]bool{}}
	k := madeUpKeeper(m, &events, stolen)
	k.note(announced(stolenSpot, false)) // of before
	if err := k.act(); err != nil {
		t.Fatal(err)
	}
	if k.state.removals != 0 || k.state.targets[0].on || k.state.targets[0].last.IsZero() {
		t.Errorf("%+v", k.state.targets)
	}
	if len(events) != 1 || events[0].Kind != Appeared {
		t.Errorf("%v", events)
	}
}

// TestKeeperInAnyOrder: whatever happens to the targets' addresses, and whatever is
// lost of the news, after each look no target is on its device, unless its address is
// on a card, or was; and nothing else was ever removed.
func TestKeeperInAnyOrder(t *testing.T) {
	other := target("kube-dummy-if", "192.168.10.116/32")
	spots := []spot{stolenSpot, {7, other.Prefix}, {8, other.Prefix}, {8, stolen.Prefix}, {1, stolen.Prefix}, {2, stolen.Prefix},
		{7, target("", "10.96.0.1/32").Prefix}, {7, target("", "192.168.10.114/24").Prefix}}
	rapid.Check(t, func(t *rapid.T) {
		var events []Event
		m := &madeUp{there: map[spot]bool{}}
		k := madeUpKeeper(m, &events, stolen, other)
		owner := false
		if err := k.look(); err != nil {
			t.Fatal(err)
		}
		for n := rapid.IntRange(1, 30).Draw(t, "rounds"); n > 0; n-- {
			for c := rapid.IntRange(0, 4).Draw(t, "changes"); c > 0; c-- {
				m.put(rapid.SampledFrom(spots).Draw(t, "spot"), rapid.IntRange(0, 3).Draw(t, "on") > 0, rapid.IntRange(0, 3).Draw(t, "lost") == 0)
			}
			owner = owner || m.there[spot{2, stolen.Prefix}]
			removals := len(m.removals)
			was := m.there[stolenSpot]
			k.hear()
			if err := k.act(); err != nil {
				t.Fatal(err)
			}
			if m.there[stolenSpot] != (was && owner) || m.there[spot{8, other.Prefix}] {
				t.Fatalf("left: %v, owner %v", m.there, owner)
			}
			for _, s := range m.removals[removals:] {
				if s == stolenSpot && !owner || s == (spot{8, other.Prefix}) {
					continue
				}
				t.Fatalf("removed %v", s)
			}
		}
	})
}
