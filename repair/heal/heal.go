// SPDX-License-Identifier: Apache-2.0

// Package heal gives a host back an address that a service device of its own has taken
// from its owner, and stays until the service proxy has learned that nobody claims it
// any more.
//
// By rule: a routing rule leads over the local table for that address (package bypass).
// The host reaches the owner at once, and there is nothing to race with: the proxy may
// bind the address as often as it likes, and takes it off by itself when it has learned
// that the claim is gone (lab cure-by-rule-1.36 and -1.25: 0.3 s, both eras). Then the rule is taken
// back. Killed at any moment it leaves a host that works: with the rule, or as it was.
//
// By deletion, where rules do not do it: one deletion is a race. kube-proxy puts the
// address back at its next sync, within 30 seconds, as long as it has not learned of the
// claim's end, and it cannot while the address cuts it off from the apiserver
// (docs/lab.md). So the address is removed again within milliseconds of each time it is
// put back. Killed at any moment this leaves nothing behind.
//
// It never acts on an address that this host has for itself: when that comes, the rule
// goes at once, since with it a host does not reach itself at its own address.
//
// When is it over? The apiserver must answer, at an address that then is not this
// host's, while all targets are off or passed over; and one of two must hold of each
// target, of the time since then and since the address was last on its device:
//
//   - A whole list of IPVS virtual servers that was begun in that time has none on it,
//     and either there was one before, or there are others. kube-proxy makes a virtual
//     server, and binds the address, for each address that a Service of its cache wants,
//     with Pods behind it or without, and takes away at the end of a sync those that
//     none wants (kubernetes pkg/proxy/ipvs/proxier.go syncProxyRules,
//     cleanLegacyService, 1.25 and 1.36). This must stand for three seconds. Of
//     kube-router only those that were there before count.
//   - Nothing has put it back for 65 seconds, two periods of kube-proxy before 1.36 and
//     some more; on kube-router's device for 330, as its period is five minutes
//     (kube-router pkg/options/options.go NewKubeRouterConfig); and for as long where
//     IPVS still has virtual servers on it: then the proxy has not synced without it yet,
//     and on a busy node syncs have been seen 52 seconds apart.
//
// A sync that puts the address back shows that kube-proxy's cache still has the
// claim, and the time starts again.
package heal

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"whohas/kubeproxy"
	"whohas/repair"
)

// ErrHeld says that another instance works in this network namespace.
var ErrHeld = errors.New("another repair is at work on this host")

// By is the way to heal.
type By string

// The ways. The zero value is by rule, and by deletion where rules do not do it.
const (
	ByRule By = "rule"
	ByHold By = "hold"
)

// Options say what to heal of, how, and until when.
type Options struct {
	Targets    []repair.Target
	By         By
	APIServers []netip.AddrPort // where the apiserver is when the addresses are off; none: nothing can be verified
	DryRun     bool             // tells what would be done, does nothing, and returns after one look
	Limit      time.Duration    // of Wait; 0: ten minutes
	// Waits is asked every second, by rule, what comes back only when the address is off:
	// as long as there is something it is taken off, too. May be nil.
	Waits func(context.Context) []string
	// Tell is called with every action and observation, in order, from one goroutine,
	// and not after Close has returned. It may be slow: removing does not wait for it,
	// but Close does. May be nil.
	Tell func(Event)

	world *world // tests have another; nil: this one
}

const defaultLimit = 10 * time.Minute

// Event is something that was done or seen.
type Event struct {
	At     time.Time
	Kind   string
	Text   string
	Prefix netip.Prefix // that it is about; invalid: none in particular
	Device string
}

// The kinds of events.
const (
	Begun     = "begun"     // a target is held from now on; why
	WouldAct  = "would"     // DryRun: what would be done
	Absent    = "absent"    // a target is not on its device
	Appeared  = "appeared"  // somebody has put it back
	Claimed   = "claimed"   // and that after the apiserver answered: the claim still stands
	Removed   = "removed"   // it was taken off
	LetGo     = "let go"    // a target is left alone from now on
	APIServer = "apiserver" // how the apiserver answers has changed
	Ruled     = "rule"      // by rule: what the host sends to a target leaves it
	Unruled   = "unruled"   // the rules were taken back
	Synced    = "synced"    // what shows of kube-proxy's syncs
	Waiting   = "waiting"   // every ten seconds: for what
	Overrun   = "overrun"   // the kernel had more to announce than fits: all is listed again
	Failed    = "failed"    // something did not work, and is tried again
	Ended     = "ended"
)

// Outcome is how it ended.
type Outcome struct {
	Healed     bool   // verified, of every target
	ByRule     bool   // else by deletion
	Why        string // in a sentence: which condition ended it, or what is missing
	Removed    int    // how often an address was taken off
	Reappeared int    // how often one was put back after the apiserver answered
	Last       time.Time
	Answered   time.Time       // when the apiserver was first seen to answer; zero: never
	Targets    []TargetOutcome // in the order of the options, each target once
}

// TargetOutcome is how it stands with one target.
type TargetOutcome struct {
	Device     string
	Prefix     netip.Prefix
	On         bool      // it is on its device
	Last       time.Time // when it was last seen there; zero: never
	Reappeared int       // how often it was put back after the apiserver answered
	Proof      string    // that the proxy lets it be; empty: none yet
	LetGo      string    // why it was left alone; empty: it was not
}

// tidy gives each target once. One that nobody may remove is an error: the plan is
// wrong then.
func tidy(targets []repair.Target) ([]repair.Target, error) {
	var out []repair.Target
	for _, t := range targets {
		if err := removable(t); err != nil {
			return nil, fmt.Errorf("%s on %s: %w", t.Prefix, t.Device, err)
		}
		if !slices.ContainsFunc(out, func(o repair.Target) bool { return o.Device == t.Device && o.Prefix == t.Prefix }) {
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("there is nothing to hold")
	}
	return out, nil
}

func removable(t repair.Target) error {
	ip := t.Prefix.Addr()
	switch {
	case !kubeproxy.IsDevice(t.Device):
		return errors.New("not a service device")
	case !t.Prefix.IsSingleIP(), ip.Is4In6():
		return errors.New("not a single address")
	case !ip.IsGlobalUnicast():
		return errors.New("no host's address on a network")
	case len(t.Evidence) == 0:
		return errors.New("nothing shows whose it is")
	}
	return nil
}
