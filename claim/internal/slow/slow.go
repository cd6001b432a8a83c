// SPDX-License-Identifier: Apache-2.0

// Package slow is a register of claims that is simple and slow: a slice that is
// searched from end to end, its ranges compared as whole numbers. Tests hold the
// real register up against it.
package slow

import (
	"iter"
	"math/big"
	"net/netip"
	"slices"

	"whohas/claim"
	"whohas/snapshot"
)

// Register holds claims in the order in which they came. The zero value is empty
// and ready; one goroutine at a time may use it.
type Register struct{ claims []claim.Claim }

var _ claim.View = (*Register)(nil)

// Add appends a claim.
func (r *Register) Add(c claim.Claim) { r.claims = append(r.claims, c) }

// Replace makes now the only claims of an object and gives those it had.
func (r *Register) Replace(by snapshot.Ref, now []claim.Claim) (before []claim.Claim) {
	before = slices.Collect(r.Of(by))
	r.claims = slices.DeleteFunc(r.claims, func(c claim.Claim) bool { return c.By == by })
	for _, c := range now {
		c.By = by
		r.Add(c)
	}
	return before
}

// Overlay copies the register, without the claims of some objects and with some
// more.
func (r *Register) Overlay(drop []snapshot.Ref, add []claim.Claim) *Register {
	var o Register
	for _, c := range r.claims {
		if !slices.Contains(drop, c.By) {
			o.Add(c)
		}
	}
	for _, c := range add {
		o.Add(c)
	}
	return &o
}

// On implements claim.View.
func (r *Register) On(ip netip.Addr) iter.Seq[claim.Claim] {
	return r.where(func(c claim.Claim) bool { return meet(c.Range, claim.Range{From: ip, To: ip}) })
}

// Overlapping implements claim.View.
func (r *Register) Overlapping(rg claim.Range) iter.Seq[claim.Claim] {
	return r.where(func(c claim.Claim) bool { return meet(c.Range, rg) })
}

// OverlappingIn implements claim.View.
func (r *Register) OverlappingIn(rg claim.Range, roles claim.Roles) iter.Seq[claim.Claim] {
	return r.where(func(c claim.Claim) bool { return c.Role&roles != 0 && meet(c.Range, rg) })
}

// Of implements claim.View.
func (r *Register) Of(by snapshot.Ref) iter.Seq[claim.Claim] {
	return r.where(func(c claim.Claim) bool { return c.By == by })
}

// All implements claim.View.
func (r *Register) All() iter.Seq[claim.Claim] {
	return r.where(func(claim.Claim) bool { return true })
}

// In implements claim.View.
func (r *Register) In(roles claim.Roles) iter.Seq[claim.Claim] {
	return r.where(func(c claim.Claim) bool { return c.Role&roles != 0 })
}

// Len is the number of claims.
func (r *Register) Len() int { return len(r.claims) }

func (r *Register) where(keep func(claim.Claim) bool) iter.Seq[claim.Claim] {
	return func(yield func(claim.Claim) bool) {
		for _, c := range r.claims {
			if keep(c) && !yield(c) {
				return
			}
		}
	}
}

// meet reports whether two ranges share an address. A range that ends before it
// begins, or in another family, has none.
func meet(a, b claim.Range) bool {
	if !whole(a) || !whole(b) || a.From.BitLen() != b.From.BitLen() {
		return false
	}
	return number(a.From).Cmp(number(b.To)) <= 0 && number(b.From).Cmp(number(a.To)) <= 0
}

func whole(r claim.Range) bool {
	return r.From.IsValid() && r.From.BitLen() == r.To.BitLen() && number(r.From).Cmp(number(r.To)) <= 0
}

func number(ip netip.Addr) *big.Int { return new(big.Int).SetBytes(ip.AsSlice()) }
