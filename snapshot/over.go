// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"slices"

	"whohas/dataplane"
)

// Over is the base as it would be with the objects of a change in the place of
// their namesakes; a host takes the place of its earlier reading. Neither is
// changed. The coverage is that of both.
func Over(base, change *Snapshot) *Snapshot {
	replaced := map[Ref]bool{}
	for _, o := range change.Objects {
		replaced[o.Ref] = true
	}
	for i := range change.Pods {
		replaced[change.Pods[i].Ref()] = true
	}
	for i := range change.Slices {
		replaced[change.Slices[i].Ref] = true
	}
	out := &Snapshot{Taken: base.Taken, Coverage: slices.Concat(base.Coverage, change.Coverage)}
	out.Objects = slices.Concat(keepUnless(base.Objects, func(o **Object) bool { return replaced[(*o).Ref] }), change.Objects)
	out.Pods = slices.Concat(keepUnless(base.Pods, func(p *Pod) bool { return replaced[p.Ref()] }), change.Pods)
	out.Slices = slices.Concat(keepUnless(base.Slices, func(s *EndpointSlice) bool { return replaced[s.Ref] }), change.Slices)
	out.Hosts = slices.Concat(keepUnless(base.Hosts, func(h *dataplane.Host) bool { return change.Host(h.Name) != nil }), change.Hosts)
	return arrange(out)
}

func keepUnless[T any](list []T, drop func(*T) bool) []T {
	var out []T
	for i := range list {
		if !drop(&list[i]) {
			out = append(out, list[i])
		}
	}
	return out
}
