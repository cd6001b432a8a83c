// SPDX-License-Identifier: Apache-2.0

// Package guard decides on admission requests: what a request makes worse is
// refused, and nothing else. It is pure: no clock, no cluster, no log. The webhook
// and the command line bring the state, the request and the time.
//
// The decision is that of the whole check, before and after the request, but made
// of the keys alone that the request touches. Deleting always passes, and so does
// claiming less than before: the guard must not stand between an operator and the
// repair.
package guard

import (
	"time"

	"whohas/check"
	"whohas/claim"
	"whohas/claimants"
	"whohas/rule"
	"whohas/snapshot"
)

// State is what is known of the cluster. It is only read; it may hold the object of
// the request as it was, as it will be, or not yet.
type State struct {
	check.Input
	// Suppressions are the permissions that count whoever asks: the site's own
	// configuration. An object's annotation was written by whoever may edit the
	// object, so that one of a stored object counts only if the caller knows that
	// it came in with the permission to override.
	Suppressions []rule.Suppression
}

// Operation is what a request does, in admission's words.
type Operation string

// The operations that are looked at. Every other one passes.
const (
	Create Operation = "CREATE"
	Update Operation = "UPDATE"
)

// Request is one admission request. Before and After are whole objects of one name,
// of which the declared fields alone are looked at.
type Request struct {
	Operation   Operation
	Subresource string           // "" or "status"; every other one passes
	Before      *snapshot.Object // nil for a creation; of an update that lacks it, what the state holds counts
	After       *snapshot.Object // nil for a deletion
	// MayOverride: who asks has the verb override on claims.whohas.io, so that the
	// object's own annotation counts. Asking the apiserver for it costs a request:
	// decide without, and if Decision.WantsOverride, ask and decide again.
	MayOverride bool
	Now         time.Time // for the expiry of permissions
	// Ended reports whether anybody waits for the answer still; nil: somebody does. After
	// that nothing more is asked, and the decision is worth nothing.
	Ended func() bool
}

// Decision is the answer to a request. Everything in it is sorted, the worst first.
type Decision struct {
	Object   snapshot.Ref
	Allowed  bool
	Refusals []rule.Finding     // errors and critical findings that the request brings
	Warnings []Warning          // what it brings and passes all the same
	Excused  []check.Suppressed // what would have been refused, and the annotation that excuses it
	Ignored  []Ignored          // the object's permissions that would excuse a refusal, and do not count
	Beyond   string             // why it is refused unjudged: it claims more at once than is looked at
}

// Warning is a finding that a request brings and is not refused for.
type Warning struct {
	Finding rule.Finding
	// OnMode: it would be refused for this in some proxy mode, and the mode is not
	// known.
	OnMode bool
}

// Ignored is a permission that does not count.
type Ignored struct {
	Suppression rule.Suppression
	Why         string
	// Unpermitted: it would count if who asks had the permission to override.
	Unpermitted bool
}

// WantsOverride reports whether the decision might be another if who asks may override.
func (d *Decision) WantsOverride() bool {
	for _, i := range d.Ignored {
		if i.Unpermitted {
			return true
		}
	}
	return false
}

// Decide answers a request: pure, safe for concurrent use as long as nobody changes
// the state, and the same whatever order anything in the state is in. It costs no more
// than n log n of the object's size.
func Decide(s State, r Request) Decision {
	if r.Ended != nil {
		s.Ended = r.Ended
	}
	c, ok := changeOf(s, r)
	if !ok {
		return Decision{Object: nameOf(r), Allowed: true}
	}
	return c.judge(r)
}

// Covers reports whether requests for an object of that name are looked at. Nodes,
// Pods, leases and what else cannot take an address never are.
func Covers(r snapshot.Ref) bool { return claimants.Takes(r) }

func nameOf(r Request) snapshot.Ref {
	switch {
	case r.After != nil:
		return r.After.Ref
	case r.Before != nil:
		return r.Before.Ref
	}
	return snapshot.Ref{}
}

// change is a request as it matters: the claims of one object before and after.
type change struct {
	State
	ref         snapshot.Ref
	was, is     *snapshot.Object
	before, now []claim.Claim
	keys        []rule.Key
}

// changeOf finds what a request changes; ok is false if there is nothing to judge.
func changeOf(s State, r Request) (c *change, ok bool) {
	if r.After == nil || r.Operation != Create && r.Operation != Update || r.Subresource != "" && r.Subresource != "status" {
		return nil, false
	}
	c = &change{State: s, ref: r.After.Ref, is: r.After}
	if !Covers(c.ref) {
		return nil, false
	}
	if c.now = claimants.ClaimsByHand(r.After); !takes(c.now) {
		return nil, false
	}
	if r.Operation == Update {
		c.recall(r.Before)
	}
	return c, !c.reduces()
}

// recall finds the object as it was: in the request, else in the state.
func (c *change) recall(before *snapshot.Object) {
	if before != nil {
		c.was, c.before = before, claimants.ClaimsByHand(before)
		return
	}
	for x := range c.View.Of(c.ref) {
		c.before = append(c.before, x)
	}
	if objects := c.Objects.Of(c.ref); len(objects) > 0 {
		c.was = objects[0]
	}
}

// takes reports whether an object claims anything by which somebody can lose. What
// says where hosts and apiservers are is right by definition: the endpoints of
// default/kubernetes are written by the apiservers themselves.
func takes(claims []claim.Claim) bool {
	const owners = claim.Host | claim.ControlPlane | claim.Tunnel | claim.PodIP | claim.Listener | claim.Observed
	for i := range claims {
		if claims[i].Role&owners == 0 {
			return true
		}
	}
	return false
}
