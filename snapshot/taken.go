// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"slices"
	"time"
)

// TakenAt tells when a source was read. Of several sources the latest counts;
// the zero time changes nothing.
func (b *Builder) TakenAt(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at.After(b.snap.Taken) {
		b.snap.Taken = at
	}
}

// Expect makes room for so many more objects, Pods and EndpointSlices, where a
// source knows beforehand.
func (b *Builder) Expect(objects, pods, endpointSlices int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.snap.Objects = slices.Grow(b.snap.Objects, objects)
	b.snap.Pods = slices.Grow(b.snap.Pods, pods)
	b.snap.Slices = slices.Grow(b.snap.Slices, endpointSlices)
}
