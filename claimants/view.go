// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math"
	"net/netip"
	"slices"
	"sync"

	"whohas/claim"
	"whohas/snapshot"
)

// View is all claims of a snapshot, and some more (what a configuration
// declares), to be read only. It holds the same claims as Register and takes a
// quarter of its memory: the Pods are by far the most, and their claims are made
// again each time they are asked for.
func View(s *snapshot.Snapshot, more ...claim.Claim) claim.View {
	var pods *podView
	var side sync.WaitGroup
	side.Go(func() { pods = newPodView(s.Pods) })
	r := claim.NewRegister(len(s.Objects))
	registerObjects(s, r)
	for _, c := range more {
		r.Add(c)
	}
	side.Wait()
	return claim.Join(r, pods)
}

// podView finds the Pods that claim an address. Pods claim single addresses
// only.
type podView struct {
	pods  []snapshot.Pod
	ways  []*Claimant
	roles claim.Roles
	index []podAddr // by address, then by Pod
}

// podAddr is an address as two numbers, IPv4 mapped: claims hold no zones and no
// mapped addresses, so that this is one to one, and ordered as addresses are
// within a family.
type podAddr struct {
	high, low uint64
	pod       int32
}

func podAddrOf(ip netip.Addr, pod int32) podAddr {
	b := ip.As16()
	return podAddr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), pod}
}

func (a podAddr) compare(b podAddr) int {
	switch {
	case a.high != b.high:
		return cmp.Compare(a.high, b.high)
	case a.low != b.low:
		return cmp.Compare(a.low, b.low)
	}
	return cmp.Compare(a.pod, b.pod)
}

func (a podAddr) sameAddr(b podAddr) bool { return a.high == b.high && a.low == b.low }

func newPodView(pods []snapshot.Pod) *podView {
	v := &podView{pods: pods, index: make([]podAddr, 0, len(pods))}
	for _, c := range All() {
		if c.Pod != nil {
			v.ways = append(v.ways, c)
			v.roles |= c.Role
		}
	}
	pod := int32(0)
	enter := func(c claim.Claim) { v.index = append(v.index, podAddrOf(c.Range.From, pod)) }
	for i := range pods {
		pod = int32(i)
		for _, c := range v.ways {
			c.Pod(&pods[i], enter) // whose claim it is does not matter here
		}
	}
	slices.SortFunc(v.index, podAddr.compare)
	v.index = slices.Compact(v.index)
	return v
}

// claims makes what one Pod claims.
func (v *podView) claims(i int) iter.Seq[claim.Claim] {
	return func(yield func(claim.Claim) bool) {
		more := true
		p := &v.pods[i]
		for _, c := range v.ways {
			c.Pod(p, c.yield(p.Ref(), func(x claim.Claim) { more = more && yield(x) }))
			if !more {
				return
			}
		}
	}
}

func (v *podView) On(ip netip.Addr) iter.Seq[claim.Claim] { return v.Overlapping(claim.Single(ip)) }

func (v *podView) Overlapping(r claim.Range) iter.Seq[claim.Claim] {
	return func(yield func(claim.Claim) bool) {
		if !r.IsValid() {
			return
		}
		from, to := podAddrOf(r.From, -1), podAddrOf(r.To, math.MaxInt32)
		at, _ := slices.BinarySearchFunc(v.index, from, podAddr.compare)
		for ; at < len(v.index) && v.index[at].compare(to) < 0; at++ {
			e := v.index[at]
			for c := range v.claims(int(e.pod)) {
				if podAddrOf(c.Range.From, 0).sameAddr(e) && r.Contains(c.Range.From) && !yield(c) {
					return
				}
			}
		}
	}
}

// OverlappingIn looks at no Pod where the roles are none that Pods claim in.
func (v *podView) OverlappingIn(r claim.Range, roles claim.Roles) iter.Seq[claim.Claim] {
	return func(yield func(claim.Claim) bool) {
		if roles&v.roles == 0 {
			return
		}
		for c := range v.Overlapping(r) {
			if c.Role&roles != 0 && !yield(c) {
				return
			}
		}
	}
}

func (v *podView) Of(by snapshot.Ref) iter.Seq[claim.Claim] {
	return func(yield func(claim.Claim) bool) {
		if by.Kind != snapshot.PodKind.Kind || by.Group != "" {
			return
		}
		at, _ := slices.BinarySearchFunc(v.pods, by, func(p snapshot.Pod, r snapshot.Ref) int { return p.Ref().Compare(r) })
		for ; at < len(v.pods) && v.pods[at].Ref() == by; at++ {
			for c := range v.claims(at) {
				if !yield(c) {
					return
				}
			}
		}
	}
}

func (v *podView) All() iter.Seq[claim.Claim] {
	return func(yield func(claim.Claim) bool) {
		for i := range v.pods {
			for c := range v.claims(i) {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// In looks at no Pod where the roles are none that Pods claim in.
func (v *podView) In(roles claim.Roles) iter.Seq[claim.Claim] {
	return func(yield func(claim.Claim) bool) {
		if roles&v.roles == 0 {
			return
		}
		for c := range v.All() {
			if c.Role&roles != 0 && !yield(c) {
				return
			}
		}
	}
}
