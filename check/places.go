// SPDX-License-Identifier: Apache-2.0

package check

import (
	"iter"
	"net/netip"
	"slices"

	"whohas/claim"
)

// places finds what is about ranges that share an address with another. It is filled
// first and asked then; the zero value is empty.
type places struct {
	at     map[netip.Addr][]int
	addrs  []netip.Addr // of at, sorted when they are asked for
	wide   []place      // sorted then, too
	sorted bool
}

// place is a range, what is about it, and the furthest that a range of its part of the
// list reaches: a tree in the middle of its list.
type place struct {
	claim.Range
	item  int
	reach netip.Addr
}

func (p *places) add(r claim.Range, item int) {
	switch {
	case !r.IsValid():
		return
	case !r.IsSingle():
		p.wide = append(p.wide, place{Range: r, item: item})
	default:
		if p.at == nil {
			p.at = map[netip.Addr][]int{}
		}
		p.at[r.From] = append(p.at[r.From], item)
	}
	p.sorted = false
}

func (p *places) sort() {
	if p.sorted {
		return
	}
	p.sorted, p.addrs = true, p.addrs[:0]
	for ip := range p.at {
		p.addrs = append(p.addrs, ip)
	}
	slices.SortFunc(p.addrs, netip.Addr.Compare)
	slices.SortStableFunc(p.wide, func(a, b place) int { return a.Compare(b.Range) })
	reach(p.wide)
}

func reach(list []place) netip.Addr {
	if len(list) == 0 {
		return netip.Addr{}
	}
	mid := len(list) / 2
	far := list[mid].To
	for _, to := range []netip.Addr{reach(list[:mid]), reach(list[mid+1:])} {
		if far.Less(to) {
			far = to
		}
	}
	list[mid].reach = far
	return far
}

// meeting yields what is about ranges that share an address with r.
func (p *places) meeting(r claim.Range) iter.Seq[int] {
	return func(yield func(int) bool) {
		p.sort()
		if r.IsSingle() {
			for _, i := range p.at[r.From] {
				if !yield(i) {
					return
				}
			}
		} else {
			from, _ := slices.BinarySearchFunc(p.addrs, r.From, netip.Addr.Compare)
			for ; from < len(p.addrs) && !r.To.Less(p.addrs[from]); from++ {
				for _, i := range p.at[p.addrs[from]] {
					if !yield(i) {
						return
					}
				}
			}
		}
		meeting(p.wide, r, yield)
	}
}

func meeting(list []place, r claim.Range, yield func(int) bool) bool {
	if len(list) == 0 {
		return true
	}
	mid := len(list) / 2
	if at := &list[mid]; at.reach.Less(r.From) {
		return true
	} else if r.To.Less(at.From) {
		return meeting(list[:mid], r, yield)
	} else if !meeting(list[:mid], r, yield) || at.Overlaps(r) && !yield(at.item) {
		return false
	}
	return meeting(list[mid+1:], r, yield)
}
