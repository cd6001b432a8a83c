// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"whohas/check"
	"whohas/testkit/randcluster"
)

// TestEnded: each key is a chance to end, and after the end no rule is asked.
func TestEnded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := randcluster.Random().Draw(t, "world").Input(t)
		run := func(most int) (asked, findings int) {
			var n atomic.Int64
			in.Ended = func() bool { return n.Add(1) > int64(most) }
			res := check.Run(in)
			return int(n.Load()), len(res.Findings) + len(res.Hidden)
		}
		keys, all := run(1 << 30)
		if keys == 0 && all > 0 {
			t.Fatalf("%d findings, and nobody asked", all)
		}
		if keys == 0 {
			return
		}
		if asked, found := run(0); asked > 1+runtime.GOMAXPROCS(0) || found != 0 { // each part of the work asks once
			t.Fatalf("ended at once: asked %d times, %d findings", asked, found)
		}
		if asked, found := run(keys); asked != keys || found != all {
			t.Fatalf("not ended: %d of %d keys, %d of %d findings", asked, keys, found, all)
		}
	})
}
