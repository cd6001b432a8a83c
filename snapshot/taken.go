// SPDX-License-Identifier: Apache-2.0

package snapshot

import "time"

// TakenAt tells when a source was read. Of several sources the latest counts;
// the zero time changes nothing.
func (b *Builder) TakenAt(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at.After(b.snap.Taken) {
		b.snap.Taken = at
	}
}
