// SPDX-License-Identifier: Apache-2.0

// Package audit looks again and again at everything that a guard knows: what was wrong
// before the guard came, and what becomes wrong past it, as when a Node joins with an
// address that is claimed already, or two writes that pass at the same moment.
package audit

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"whohas/check"
	"whohas/guard/watch"
	"whohas/rule"
	"whohas/snapshot"
)

// Round is what one look found.
type Round struct {
	check.Result
	Taken time.Time
	Fresh []rule.Finding // found now, and not in the round before
	Took  time.Duration
}

// Publisher shows a round to somebody. What fails is tried again in the next round.
type Publisher interface {
	Publish(context.Context, *Round) error
}

// Audit is done by one process of a cluster. Watch must be given.
type Audit struct {
	Watch      *watch.Watch
	Publishers []Publisher
	Log        *slog.Logger
	Now        func() time.Time
	Thrifty    func() (end func()) // begins a time in which little memory may be wasted; nil: nobody cares

	// Pause is the least time between two rounds; default 2 seconds.
	Pause time.Duration
	// Every is the most: permissions expire without a change. Default 5 minutes.
	Every time.Duration
}

// Run looks at once, and after each change of a claim, until ctx is over.
func (a *Audit) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-a.Watch.Ready():
	}
	known := map[string]bool{}
	for {
		r := a.round(known)
		known = fingerprints(r.Findings)
		a.publish(ctx, r)
		if !a.wait(ctx) {
			return nil
		}
	}
}

// wait ends when something has changed, but not too soon; false: ctx is over.
func (a *Audit) wait(ctx context.Context) bool {
	pause, every := a.Pause, a.Every
	if pause == 0 {
		pause = 2 * time.Second
	}
	if every == 0 {
		every = 5 * time.Minute
	}
	late := time.NewTimer(every)
	defer late.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
	}
	select {
	case <-ctx.Done():
		return false
	case <-a.Watch.Changed():
	case <-late.C:
	}
	return true
}

// round checks a copy: no decision waits for it.
func (a *Audit) round(known map[string]bool) *Round {
	if a.Thrifty != nil { // what it makes is soon garbage, and most of it at once
		defer a.Thrifty()()
	}
	begun := time.Now()
	now := a.now()
	in, allows := a.Watch.Copy()
	r := &Round{Result: check.Finish(in, check.Run(in), allows, now), Taken: now}
	for _, f := range r.Findings {
		if !known[f.Fingerprint()] {
			r.Fresh = append(r.Fresh, f)
		}
	}
	r.Took = time.Since(begun)
	return r
}

func fingerprints(findings []rule.Finding) map[string]bool {
	out := make(map[string]bool, len(findings))
	for i := range findings {
		out[findings[i].Fingerprint()] = true
	}
	return out
}

func (a *Audit) publish(ctx context.Context, r *Round) {
	for _, p := range a.Publishers {
		if err := p.Publish(ctx, r); err != nil && !errors.Is(err, context.Canceled) {
			a.log().Warn("audit not shown", "error", err)
		}
	}
	for _, f := range r.Fresh {
		a.log().Info("found", "rule", f.Rule.ID, "severity", f.Severity.String(), "address", f.Place(), "title", f.Title)
	}
}

func (a *Audit) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

func (a *Audit) log() *slog.Logger {
	if a.Log != nil {
		return a.Log
	}
	return slog.New(slog.DiscardHandler)
}

// concerned are the objects that a finding is about: those in the API, each once.
func concerned(f *rule.Finding) []snapshot.Ref {
	var out []snapshot.Ref
	for _, c := range f.Claimants {
		for _, r := range []snapshot.Ref{c.By, c.Owner} {
			if r.Kind != "" && r.Kind != "Declared" && r.Kind != "Host" {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, snapshot.Ref.Compare)
	return slices.Compact(out)
}
