// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"iter"
	"net/netip"

	"whohas/snapshot"
)

// Join is two views as one. An object may make different claims in both.
func Join(a, b View) View { return joined{a, b} }

type joined struct{ a, b View }

func (j joined) On(ip netip.Addr) iter.Seq[Claim] { return chain(j.a.On(ip), j.b.On(ip)) }
func (j joined) Overlapping(r Range) iter.Seq[Claim] {
	return chain(j.a.Overlapping(r), j.b.Overlapping(r))
}
func (j joined) OverlappingIn(r Range, roles Roles) iter.Seq[Claim] {
	return chain(j.a.OverlappingIn(r, roles), j.b.OverlappingIn(r, roles))
}
func (j joined) Of(by snapshot.Ref) iter.Seq[Claim] { return chain(j.a.Of(by), j.b.Of(by)) }
func (j joined) All() iter.Seq[Claim]               { return chain(j.a.All(), j.b.All()) }
func (j joined) In(roles Roles) iter.Seq[Claim]     { return chain(j.a.In(roles), j.b.In(roles)) }

func chain(a, b iter.Seq[Claim]) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		for c := range a {
			if !yield(c) {
				return
			}
		}
		for c := range b {
			if !yield(c) {
				return
			}
		}
	}
}
