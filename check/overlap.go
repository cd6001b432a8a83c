// SPDX-License-Identifier: Apache-2.0

package check

import (
	"container/heap"
	"net/netip"
	"slices"

	"whohas/claim"
	"whohas/snapshot"
)

// deep is how many ranges over one address are still told two by two. Where more lie
// over each other they are told as one: of a thousand pools there are half a million
// pairs.
const deep = 16

// overlap is what some claims share, and these, sorted: two, or more than deep.
type overlap struct {
	shared claim.Range
	claims []claim.Claim
}

// overlaps finds where claims meet on ranges of which some are asked about.
func overlaps(claims []claim.Claim, asked func(claim.Range) bool) []overlap {
	s := sweep{claims: once(claims), asked: asked}
	return s.run()
}

// once sorts claims and keeps the first of what an object says several times.
func once(claims []claim.Claim) []claim.Claim {
	claims = slices.SortedFunc(slices.Values(claims), claim.Compare)
	type said struct {
		by   snapshot.Ref
		at   claim.Range
		text string
	}
	seen := make(map[said]bool, len(claims))
	return slices.DeleteFunc(claims, func(c claim.Claim) bool {
		k := said{c.By, c.Range, c.Text}
		again := seen[k]
		seen[k] = true
		return again
	})
}

// sweep goes through claims in the order of their first addresses.
type sweep struct {
	claims []claim.Claim
	asked  func(claim.Range) bool
	open   []int      // which claims reach to where the sweep is: a heap, the next to end first
	crowd  []int      // those that have lain over each other since they became more than deep
	from   netip.Addr // since where
	found  []overlap
}

func (s *sweep) run() []overlap {
	for i := range s.claims {
		s.passed(s.claims[i].Range.From)
		switch {
		case len(s.crowd) > 0:
			s.crowd = append(s.crowd, i)
		case len(s.open) < deep:
			s.pairs(i)
		default:
			s.crowd, s.from = append(slices.Sorted(slices.Values(s.open)), i), s.claims[i].Range.From
		}
		heap.Push(s, i)
	}
	s.passed(netip.Addr{})
	slices.SortFunc(s.found, func(a, b overlap) int { return slices.CompareFunc(a.claims, b.claims, claim.Compare) })
	return s.found
}

// passed closes what ends before an address; all if there is no more.
func (s *sweep) passed(at netip.Addr) {
	for len(s.open) > 0 {
		to := s.claims[s.open[0]].Range.To
		if at.IsValid() && !to.Less(at) {
			return
		}
		heap.Pop(s)
		if len(s.crowd) > 0 && len(s.open) <= deep {
			s.report(claim.Range{From: s.from, To: to}, s.crowd...)
			s.crowd = nil
		}
	}
}

// pairs are the new claim with each of the few that it meets.
func (s *sweep) pairs(i int) {
	for _, k := range s.open {
		s.report(s.claims[k].Range.Intersect(s.claims[i].Range), k, i)
	}
}

// report keeps an overlap that was asked about: by the first of two, by any of many.
func (s *sweep) report(shared claim.Range, which ...int) {
	asked := s.asked(s.claims[which[0]].Range)
	o := overlap{shared: shared}
	for _, i := range which {
		o.claims = append(o.claims, s.claims[i])
		asked = asked || len(which) > 2 && s.asked(s.claims[i].Range)
	}
	if asked {
		s.found = append(s.found, o)
	}
}

// Len, Less, Swap, Push and Pop make the open claims a heap.
func (s *sweep) Len() int { return len(s.open) }

func (s *sweep) Less(i, k int) bool {
	return s.claims[s.open[i]].Range.To.Less(s.claims[s.open[k]].Range.To)
}

func (s *sweep) Swap(i, k int) { s.open[i], s.open[k] = s.open[k], s.open[i] }

func (s *sweep) Push(x any) { s.open = append(s.open, x.(int)) }

func (s *sweep) Pop() any {
	last := s.open[len(s.open)-1]
	s.open = s.open[:len(s.open)-1]
	return last
}
