// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"io"
	"time"
)

// watchdog ends a request that goes without a byte of answer for too long. A
// large page on a slow line may take as long as it likes while it comes.
type watchdog struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
}

// watch gives the context of one request.
func watch(ctx context.Context, limit time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := fmt.Errorf("no answer for %v", limit)
	w := &watchdog{ctx: ctx, cancel: cancel, limit: limit}
	w.timer = time.AfterFunc(limit, func() { cancel(late) })
	return ctx, w
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// cause is why a request ended: what ended its context rather than what that
// led to.
func (w *watchdog) cause(err error) error {
	if err != nil && w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return err
}

// reading is the answer's body, of which each byte shows that it is alive.
func (w *watchdog) reading(body io.Reader) io.Reader { return &watched{w, body} }

type watched struct {
	*watchdog
	in io.Reader
}

func (r *watched) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if n > 0 {
		r.timer.Reset(r.limit)
	}
	return n, err
}
