// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"testing"

	"pgregory.net/rapid"

	"whohas/check"
	"whohas/internal/worlds"
)

// TestEnded: each key is a chance to end, and after the end no rule is asked.
func TestEnded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := worlds.Random().Draw(t, "world").Input(t)
		run := func(most int) (asked, findings int) {
			in.Ended = func() bool { asked++; return asked > most }
			res := check.Run(in)
			return asked, len(res.Findings) + len(res.Hidden)
		}
		keys, all := run(1 << 30)
		if keys == 0 && all > 0 {
			t.Fatalf("%d findings, and nobody asked", all)
		}
		if keys == 0 {
			return
		}
		if asked, found := run(0); asked != 1 || found != 0 {
			t.Fatalf("ended at once: asked %d times, %d findings", asked, found)
		}
		if asked, found := run(keys); asked != keys || found != all {
			t.Fatalf("not ended: %d of %d keys, %d of %d findings", asked, keys, found, all)
		}
	})
}
