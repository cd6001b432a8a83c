// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"whohas/lab"
	"whohas/lab/prober"
)

// probeWait is how long a probe is waited for: longer than three requests for
// a neighbour, a second apart, which are the kernel's default before it says
// that a host is unreachable.
const probeWait = 3500 * time.Millisecond

// silence is what is waited where silence is expected.
const silence = 300 * time.Millisecond

// check asks once, puts the answer on record, and compares it with the want.
func (x *executor) check(ctx context.Context, s lab.Step) error {
	answer := x.ask(ctx, s.Query)
	x.saw(s, answer, 0)
	if !s.Query.Met(answer) {
		return fmt.Errorf("saw %q", answer)
	}
	return nil
}

func (x *executor) saw(s lab.Step, answer string, took time.Duration) {
	x.tell(lab.Event{Kind: lab.Saw, Line: s.Line, Text: s.Query.String(), Answer: answer, Want: s.Query.Want, Took: took})
}

// pollInterval is the pause between two questions of a wait.
const pollInterval = 100 * time.Millisecond

// wait asks until the answer is the one wanted.
func (x *executor) wait(ctx context.Context, s lab.Step) error {
	ctx, cancel := context.WithTimeout(ctx, s.For)
	defer cancel()
	began := time.Now()
	for {
		answer := x.ask(ctx, s.Query)
		if s.Query.Met(answer) {
			x.saw(s, answer, time.Since(began))
			return nil
		}
		if pause(ctx, pollInterval) != nil {
			return fmt.Errorf("saw %q at the end", answer)
		}
	}
}

// hold asks for as long as it says; every answer must be the one wanted.
func (x *executor) hold(ctx context.Context, s lab.Step) error {
	for until := time.Now().Add(s.For); ; {
		answer := x.ask(ctx, s.Query)
		if !s.Query.Met(answer) {
			return fmt.Errorf("saw %q", answer)
		}
		if time.Now().After(until) {
			x.saw(s, answer, 0)
			return nil
		}
		if err := pause(ctx, 5*pollInterval); err != nil {
			return err
		}
	}
}

// ask answers a query. What goes wrong in asking is an answer too: it is not
// the one that was wanted.
func (x *executor) ask(ctx context.Context, q lab.Query) string {
	answer, err := x.answer(ctx, q)
	if err != nil {
		return "error: " + err.Error()
	}
	return answer
}

// patience is how long to wait for a probe's answer.
func patience(q lab.Query) time.Duration {
	if slices.Equal(q.Want, []string{prober.Silence}) || slices.Equal(q.Want, []string{"nobody"}) {
		return silence
	}
	return probeWait
}
