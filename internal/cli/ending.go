// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"whohas/internal/console"
	"whohas/snapshot"
)

// What follows a time-out. Reading ends with --timeout. What was read in time is still
// judged and written within spare; who does not end then is left behind a moment later.
const (
	spare  = 400 * time.Millisecond
	moment = 100 * time.Millisecond
)

// twice is within how much time a second signal is the first again: timeout(1) sends
// it to its child, and to the process group that the child is in (coreutils
// src/timeout.c cleanup).
const twice = 100 * time.Millisecond

// errInterrupted is why a context ended that a signal ended.
var errInterrupted = errors.New("interrupted")

// ending is how a run ends before its work is done: at its time-out, at a signal, at
// the bound of what it may keep. Every phase has a context that tells it to end. What
// cannot be told so, a Read or a Write that blocks, a rule, kustomize, is left behind:
// the process ends without it. It is safe for concurrent use.
type ending struct {
	mu     sync.Mutex
	phase  string
	limit  time.Duration // of the run; zero: none
	until  time.Time     // when reading ends
	budget *snapshot.Budget
	kept   int64
	begun  []string   // files that are not whole yet
	left   chan error // why the run is left behind
}

func newEnding() *ending { return &ending{phase: "beginning", left: make(chan error, 1)} }

// during names the phase that begins.
func (e *ending) during(phase string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.phase = phase
}

// begin bounds what comes, up to release: reading ends with until, the context spare
// after it, or once more has been read than may be kept.
func (e *ending) begin(ctx context.Context, in *inputs, until time.Time) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ctx, stop := context.WithDeadline(ctx, until.Add(spare))
	e.mu.Lock()
	e.limit, e.until, e.kept = in.timeout, until, in.kept
	e.budget = snapshot.NewBudget(in.kept, func() { cancel(overBudget(in.kept)) })
	e.mu.Unlock()
	last := time.AfterFunc(time.Until(until)+spare+moment, func() { e.leave(context.DeadlineExceeded) })
	return ctx, func() {
		last.Stop()
		stop()
		cancel(nil)
	}
}

// reading is the context for what reads.
func (e *ending) reading(ctx context.Context) (context.Context, context.CancelFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return context.WithDeadline(ctx, e.until)
}

// readUntil has reading end sooner than begin said.
func (e *ending) readUntil(until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.until = until
}

// builder gathers within the run's bound.
func (e *ending) builder() *snapshot.Builder {
	e.mu.Lock()
	defer e.mu.Unlock()
	return &snapshot.Builder{Budget: e.budget}
}

// ended says why a context ended and what was done then; nil if it has not.
func (e *ending) ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return e.why(context.Cause(ctx))
}

func (e *ending) why(cause error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case errors.Is(cause, context.DeadlineExceeded) && e.limit > 0:
		return console.WithHint(fmt.Errorf("timed out after %v while %s", e.limit, e.phase), "--timeout bounds the whole run")
	case errors.Is(cause, errInterrupted), errors.Is(cause, context.Canceled):
		return fmt.Errorf("interrupted while %s", e.phase)
	case errors.Is(cause, errMemory):
		return console.WithHint(fmt.Errorf("took more than %d MiB of memory while %s", e.kept*overhead>>20, e.phase), "give it more with --memory, or name less")
	}
	return cause
}

// overhead is how much more than what is kept may be alive: what is concluded from it
// takes up to twice as much, and what passes through some more. It is reached only by
// what does not take from the budget: a library that reads all there is, a rule.
const overhead = 4

// alive leaves a run behind that fills the memory all the same.
func (e *ending) alive(bytes uint64) {
	e.mu.Lock()
	most := e.kept * overhead
	e.mu.Unlock()
	if most > 0 && bytes > uint64(most) {
		e.leave(errMemory)
	}
}

var errMemory = errors.New("took too much memory")

// leave leaves the run behind.
func (e *ending) leave(cause error) {
	select {
	case e.left <- cause:
	default: // for another reason, already
	}
}

// obey gives a context that ends with the first signal. The run has spare then; a
// second signal ends it at once.
func (e *ending) obey(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		var first time.Time
		for {
			select {
			case <-done:
				return
			case <-signals:
			}
			switch {
			case first.IsZero():
				first = time.Now()
				cancel(errInterrupted)
				time.AfterFunc(spare, func() { e.leave(errInterrupted) })
			case time.Since(first) > twice:
				e.leave(errInterrupted)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

// own takes note of a file that is not whole yet; whole or gone, disown forgets it.
func (e *ending) own(file string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begun = append(e.begun, file)
}

func (e *ending) disown(file string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, name := range e.begun {
		if name == file {
			e.begun = append(e.begun[:i], e.begun[i+1:]...)
			return
		}
	}
}

// clear takes away what a run that is left behind has begun.
func (e *ending) clear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, file := range e.begun {
		os.Remove(file)
	}
	e.begun = nil
}
