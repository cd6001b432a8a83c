// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"iter"
	"net/netip"

	"whohas/snapshot"
)

// Overlay is the base as it would be without the claims of some objects and
// with some more claims: what --base, a tested fix and an admission decision
// look at. The base must not change while the overlay is in use.
func Overlay(base View, drop []snapshot.Ref, add []Claim) View {
	o := &overlay{base: base, drop: make(map[snapshot.Ref]bool, len(drop)), add: NewRegister(len(add))}
	for _, r := range drop {
		o.drop[r] = true
	}
	for _, c := range add {
		o.add.Add(c)
	}
	return o
}

type overlay struct {
	base View
	drop map[snapshot.Ref]bool
	add  *Register
}

func (o *overlay) On(ip netip.Addr) iter.Seq[Claim] {
	return o.join(o.base.On(ip), o.add.On(ip))
}

func (o *overlay) Overlapping(r Range) iter.Seq[Claim] {
	return o.join(o.base.Overlapping(r), o.add.Overlapping(r))
}

func (o *overlay) Of(by snapshot.Ref) iter.Seq[Claim] {
	return o.join(o.base.Of(by), o.add.Of(by))
}

func (o *overlay) All() iter.Seq[Claim] { return o.join(o.base.All(), o.add.All()) }

func (o *overlay) In(roles Roles) iter.Seq[Claim] { return o.join(o.base.In(roles), o.add.In(roles)) }

func (o *overlay) join(base, add iter.Seq[Claim]) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		for c := range base {
			if !o.drop[c.By] && !yield(c) {
				return
			}
		}
		for c := range add {
			if !yield(c) {
				return
			}
		}
	}
}
