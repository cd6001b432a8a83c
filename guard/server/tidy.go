// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"runtime/debug"
	"time"

	"whohas/guard/audit"
)

// settled is how long no audit must have been for its memory to be given back.
const settled = 5 * time.Second

// tidy gives back to the system what an audit has used: it looks at a copy of
// everything, and the collector may let that stand for as long as nothing happens. The
// decisions in between need a small part of it.
type tidy struct{ timer *time.Timer }

// Publish implements audit.Publisher.
func (t *tidy) Publish(context.Context, *audit.Round) error {
	if t.timer == nil {
		t.timer = time.AfterFunc(settled, debug.FreeOSMemory)
	} else {
		t.timer.Reset(settled)
	}
	return nil
}
