// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"whohas/bypass/rtnetlink"
	"whohas/kubeproxy"
	"whohas/repair"
	"whohas/source/monitor"
)

// keeper watches where the targets are. By deletion it keeps them off their devices; by
// rule it lets them be, unless something waits for them to go.
type keeper struct {
	kernel  kernel
	rules   *rtnetlink.Conn // nil: by deletion
	kind    string
	second  time.Duration
	dry     bool
	off     atomic.Bool // by rule: they must go all the same
	ruled   atomic.Bool // the routing rules have changed
	targets []repair.Target
	spots   map[spot]bool // where the targets' addresses are
	dirty   bool          // something about them has changed since they were looked at
	failing string        // what was last told to have failed
	state   *state
	say     func(Event)
}

// state is the stop condition, which several ask.
type state struct {
	mu sync.Mutex
	*stopCondition
}

func (s *state) with(f func(*stopCondition)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.stopCondition)
}

// stopStep is how late the end of the context may be seen.
const stopStep = 50 * time.Millisecond

// run keeps until the context ends, or until nothing can be removed any more.
func (k *keeper) run(ctx context.Context) error {
	next := time.Now().Add(k.second)
	for ctx.Err() == nil {
		if !k.dirty {
			if err := k.kernel.Wait(max(0, min(stopStep, time.Until(next)))); err != nil {
				k.fail(err)
				time.Sleep(stopStep) // the list goes on
			}
		}
		k.hear()
		if !time.Now().Before(next) { // the belt, should an announcement have been missed
			next = time.Now().Add(k.second)
			if err := k.list(); err != nil {
				k.fail(err)
			}
			k.dirty = true
		}
		if err := k.act(); err != nil {
			return err
		}
	}
	return nil
}

// look lists all addresses and acts on them, once.
func (k *keeper) look() error {
	if err := k.list(); err != nil {
		return err
	}
	k.dirty = true
	return k.act()
}

// hear takes in what was announced.
func (k *keeper) hear() {
	changes, err := k.kernel.Changes()
	for _, c := range changes {
		k.note(c)
	}
	switch {
	case err == nil:
		return
	case errors.Is(err, monitor.ErrMissed):
		k.say(Event{At: time.Now(), Kind: Overrun, Text: "the kernel announced more than there was room for: listing all addresses again"})
	default:
		k.fail(err)
		time.Sleep(stopStep) // it may stay so
	}
	if err := k.list(); err != nil {
		k.fail(err)
	}
	k.dirty = true
}

func (k *keeper) note(c monitor.Change) {
	at := spot{c.Index, c.Prefix}
	switch {
	case c.Of == monitor.Rule:
		k.ruled.Store(true)
	case c.Of == monitor.Link: // a device with all that was on it
		for s := range k.spots {
			if s.index == c.Index {
				delete(k.spots, s)
				k.dirty = true
			}
		}
	case !k.wanted(at):
	case c.Gone:
		k.dirty = true
		delete(k.spots, at)
	default:
		k.dirty = true
		k.spots[at] = true
	}
}

// wanted reports whether an address is a target's, on whichever device.
func (k *keeper) wanted(s spot) bool {
	return slices.ContainsFunc(k.targets, func(t repair.Target) bool { return t.Prefix.Addr() == s.prefix.Addr() })
}

// list looks where the targets' addresses are. What was announced before and heard
// after it is noted in its order, and ends with what is so now.
func (k *keeper) list() error {
	spots, whole, err := k.kernel.list()
	if err != nil {
		return err
	}
	if whole {
		clear(k.spots)
	}
	for _, s := range spots {
		if k.wanted(s) {
			k.spots[s] = true
		}
	}
	return nil
}

// act lets go what has become this host's own, and takes off what must be.
func (k *keeper) act() error {
	if !k.dirty {
		return nil
	}
	k.dirty = false
	for i, t := range k.targets {
		if k.leftAlone(i) {
			continue
		}
		if err := k.actOn(i, t); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) leftAlone(i int) (left bool) {
	k.state.with(func(j *stopCondition) { left = j.targets[i].letGo != "" })
	return left
}

// actOn looks at the target as the kernel has it now, and then acts. What has been
// announced is heard last: between that and the removal nothing waits.
func (k *keeper) actOn(i int, t repair.Target) error {
	index, kind, err := k.kernel.device(t.Device)
	switch {
	case errors.Is(err, errNoDevice):
		k.gone(i)
		return nil
	case err != nil:
		k.fail(err) // and look again within a second
		return nil
	case kind != k.kind:
		k.leave(i, fmt.Sprintf("%s is no %s device but a %s", t.Device, k.kind, kind))
		return nil
	}
	k.hear()
	switch name, err := k.elsewhere(t); {
	case err != nil: // where it cannot be told, nothing is touched
		k.fail(err)
		return nil
	case name != "":
		k.leave(i, fmt.Sprintf("%s has it, too: this host is its owner now", name))
		return nil
	}
	at := spot{index, t.Prefix}
	if !k.spots[at] {
		k.gone(i)
		return nil
	}
	k.appeared(i, t)
	if k.rules != nil && !k.off.Load() {
		return nil
	}
	if k.dry {
		k.say(Event{At: time.Now(), Kind: WouldAct, Text: fmt.Sprintf("would remove %s from %s", t.Prefix, t.Device), Prefix: t.Prefix, Device: t.Device})
		return nil
	}
	return k.remove(i, t, at)
}

// elsewhere gives a device that has a target's address and holds other addresses
// than services'; empty: there is none. On lo an address is no host's on a network.
func (k *keeper) elsewhere(t repair.Target) (string, error) {
	for s := range k.spots {
		if s.prefix.Addr() != t.Prefix.Addr() {
			continue
		}
		name, err := k.kernel.name(s.index)
		switch {
		case errors.Is(err, errNoDevice):
			delete(k.spots, s)
		case err != nil:
			return "", err
		case name != "lo" && !kubeproxy.IsDevice(name):
			return name, nil
		}
	}
	return "", nil
}

func (k *keeper) gone(i int) {
	k.state.with(func(j *stopCondition) {
		if j.targets[i].on {
			j.leaves(i, time.Now(), false)
		}
	})
}

func (k *keeper) leave(i int, why string) {
	t := k.targets[i]
	k.state.with(func(j *stopCondition) { j.leave(i, why) })
	if k.rules != nil && !k.dry { // at once: with the rule a host does not reach itself at its own address
		if err := k.rules.Drop(t.Prefix.Addr()); err != nil {
			k.fail(err)
		}
	}
	k.say(Event{At: time.Now(), Kind: LetGo, Text: fmt.Sprintf("%s is left alone from now on: %s", t.Prefix, why), Prefix: t.Prefix, Device: t.Device})
}

// appeared tells of a target that was not there at the last look.
func (k *keeper) appeared(i int, t repair.Target) {
	now := time.Now()
	var before, first bool
	var answered time.Time
	k.state.with(func(j *stopCondition) {
		s := &j.targets[i]
		before, first, answered = s.on, s.last.IsZero(), j.answered
		if !before {
			j.appears(i, now)
		}
	})
	e := Event{At: now, Kind: Appeared, Text: fmt.Sprintf("%s is on %s", t.Prefix, t.Device), Prefix: t.Prefix, Device: t.Device}
	switch {
	case before:
		return
	case !answered.IsZero():
		e.Kind = Claimed
		e.Text = fmt.Sprintf("%s is on %s again, %s after the apiserver answered: the claim still stands, or the proxy has not learned of its end",
			t.Prefix, t.Device, now.Sub(answered).Round(time.Millisecond))
	case !first:
		e.Text += " again"
	}
	k.say(e)
}

// remove takes a target off. Without permission nothing ever will be.
func (k *keeper) remove(i int, t repair.Target, at spot) error {
	err := k.kernel.remove(at)
	now := time.Now()
	ours := err == nil
	switch {
	case errors.Is(err, os.ErrPermission):
		return err
	case err != nil && !errors.Is(err, os.ErrNotExist):
		k.fail(err)
		return nil
	}
	delete(k.spots, at)
	k.state.with(func(j *stopCondition) { j.leaves(i, now, ours) })
	if ours {
		k.say(Event{At: now, Kind: Removed, Text: fmt.Sprintf("removed %s from %s", t.Prefix, t.Device), Prefix: t.Prefix, Device: t.Device})
	}
	return nil
}

// fail tells what did not work, once.
func (k *keeper) fail(err error) {
	if text := err.Error(); text != k.failing {
		k.failing = text
		k.say(Event{At: time.Now(), Kind: Failed, Text: text})
	}
}
