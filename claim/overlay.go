// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"iter"
	"net/netip"
	"slices"

	"whohas/snapshot"
)

// Overlay is the base as it would be without the claims of some objects and
// with some more claims: what --base, a tested fix and an admission decision
// look at. The base and the slices must not change while the overlay is in use.
func Overlay(base View, drop []snapshot.Ref, add []Claim) View {
	if len(add) > few {
		r := NewRegister(len(add))
		for _, c := range add {
			r.Add(c)
		}
		return &overlay{base: base, drop: dropping(drop), add: r}
	}
	return &overlay{base: base, drop: dropping(drop), add: listed(add)}
}

// few is how many claims or objects are looked through in less time than an index
// of them takes to make: an admission decision makes one overlay and asks it once
// or twice.
const few = 32

// dropping tells whose claims an overlay leaves out.
func dropping(drop []snapshot.Ref) func(*snapshot.Ref) bool {
	if len(drop) <= few {
		return func(by *snapshot.Ref) bool { return slices.Contains(drop, *by) }
	}
	set := make(map[snapshot.Ref]bool, len(drop))
	for _, r := range drop {
		set[r] = true
	}
	return func(by *snapshot.Ref) bool { return set[*by] }
}

type overlay struct {
	base View
	drop func(*snapshot.Ref) bool
	add  View
}

func (o *overlay) On(ip netip.Addr) iter.Seq[Claim] {
	return o.join(o.base.On(ip), o.add.On(ip))
}

func (o *overlay) Overlapping(r Range) iter.Seq[Claim] {
	return o.join(o.base.Overlapping(r), o.add.Overlapping(r))
}

func (o *overlay) OverlappingIn(r Range, roles Roles) iter.Seq[Claim] {
	return o.join(o.base.OverlappingIn(r, roles), o.add.OverlappingIn(r, roles))
}

func (o *overlay) Of(by snapshot.Ref) iter.Seq[Claim] {
	return o.join(o.base.Of(by), o.add.Of(by))
}

func (o *overlay) All() iter.Seq[Claim] { return o.join(o.base.All(), o.add.All()) }

func (o *overlay) In(roles Roles) iter.Seq[Claim] { return o.join(o.base.In(roles), o.add.In(roles)) }

func (o *overlay) join(base, add iter.Seq[Claim]) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		for c := range base {
			if !o.drop(&c.By) && !yield(c) {
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

// listed is a View that looks through a short list.
type listed []Claim

func (l listed) On(ip netip.Addr) iter.Seq[Claim] {
	return l.where(func(c *Claim) bool { return c.Range.Contains(ip) })
}

func (l listed) Overlapping(r Range) iter.Seq[Claim] {
	return l.where(func(c *Claim) bool { return c.Range.Overlaps(r) })
}

func (l listed) OverlappingIn(r Range, roles Roles) iter.Seq[Claim] {
	return l.where(func(c *Claim) bool { return c.Role&roles != 0 && c.Range.Overlaps(r) })
}

func (l listed) Of(by snapshot.Ref) iter.Seq[Claim] {
	return l.where(func(c *Claim) bool { return c.By == by })
}

func (l listed) All() iter.Seq[Claim] { return l.where(func(*Claim) bool { return true }) }

func (l listed) In(roles Roles) iter.Seq[Claim] {
	return l.where(func(c *Claim) bool { return c.Role&roles != 0 })
}

func (l listed) where(match func(*Claim) bool) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		for i := range l {
			if match(&l[i]) && !yield(l[i]) {
				return
			}
		}
	}
}
