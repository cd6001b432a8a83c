// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"sync"

	"whohas/claim"
	"whohas/snapshot"
)

// View is all claims of a snapshot, and some more (what a configuration
// declares), to be read only. It holds the same claims as Register and takes a
// quarter of its memory: the Pods are by far the most, and their claims are made
// anew each time they are asked for.
func View(s *snapshot.Snapshot, more ...claim.Claim) claim.View {
	var pods *podView
	var side sync.WaitGroup
	side.Go(func() { pods = newPodView(s.Pods) })
	r := claim.NewRegister(2 * len(s.Objects))
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

type podAddr struct {
	ip  netip.Addr
	pod int32
}

func newPodView(pods []snapshot.Pod) *podView {
	v := &podView{pods: pods, index: make([]podAddr, 0, len(pods))}
	for _, c := range All() {
		if c.Pod != nil {
			v.ways = append(v.ways, c)
			v.roles |= c.Role
		}
	}
	for i := range pods {
		for c := range v.claims(i) {
			v.index = append(v.index, podAddr{c.Range.From, int32(i)})
		}
	}
	slices.SortFunc(v.index, func(a, b podAddr) int { return cmp.Or(a.ip.Compare(b.ip), cmp.Compare(a.pod, b.pod)) })
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
		at, _ := slices.BinarySearchFunc(v.index, r.From, func(e podAddr, ip netip.Addr) int { return e.ip.Compare(ip) })
		for ; at < len(v.index) && r.Contains(v.index[at].ip); at++ {
			for c := range v.claims(int(v.index[at].pod)) {
				if c.Range.From == v.index[at].ip && !yield(c) {
					return
				}
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
