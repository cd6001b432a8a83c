// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"iter"
	"net/netip"

	"whohas/snapshot"
)

// Through is a view as it is seen through a function, which passes a claim on, as it
// is or on behalf of somebody else, or holds it back. The function must be pure, and
// may change a claim's owner alone. The view must not change while it is in use.
func Through(v View, pass func(Claim) (Claim, bool)) View { return through{v, pass} }

type through struct {
	view View
	pass func(Claim) (Claim, bool)
}

func (t through) On(ip netip.Addr) iter.Seq[Claim]    { return t.only(t.view.On(ip)) }
func (t through) Overlapping(r Range) iter.Seq[Claim] { return t.only(t.view.Overlapping(r)) }
func (t through) OverlappingIn(r Range, roles Roles) iter.Seq[Claim] {
	return t.only(t.view.OverlappingIn(r, roles))
}
func (t through) Of(by snapshot.Ref) iter.Seq[Claim] { return t.only(t.view.Of(by)) }
func (t through) All() iter.Seq[Claim]               { return t.only(t.view.All()) }
func (t through) In(roles Roles) iter.Seq[Claim]     { return t.only(t.view.In(roles)) }

func (t through) only(claims iter.Seq[Claim]) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		for c := range claims {
			if c, ok := t.pass(c); ok && !yield(c) {
				return
			}
		}
	}
}
