// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Run is what one run of a scenario showed.
type Run struct {
	Scenario string
	Backend  Backend
	Events   []Event
	Files    map[string][]byte // what was recorded: snapshots of the hosts
	Logs     map[string]string // of components, when the run failed or they are kept
}

// Failures are the reasons for which the run failed; none: it passed.
func (r *Run) Failures() []string {
	var all []string
	for _, e := range r.Events {
		if e.Kind == Failed {
			all = append(all, e.Text)
		}
	}
	if !slices.ContainsFunc(r.Events, func(e Event) bool { return e.Kind == Ended }) {
		all = append(all, "the run did not end")
	}
	return all
}

// Took is how long the scenario took, without what was prepared before it.
func (r *Run) Took() time.Duration {
	if len(r.Events) == 0 {
		return 0
	}
	return r.Events[len(r.Events)-1].At
}

// Observed is what the queries saw, one line each, under its phase: the part of
// a run that must be the same each time.
func (r *Run) Observed() string {
	var b strings.Builder
	phase := ""
	for _, e := range r.Events {
		if e.Kind != Saw {
			continue
		}
		if e.Phase != phase {
			phase = e.Phase
			fmt.Fprintf(&b, "[%s]\n", phase)
		}
		fmt.Fprintf(&b, "%s: %s\n", e.Text, e.recorded())
	}
	return b.String()
}

// recorded is the answer as it goes on record: where a scenario allows several,
// all of them, since each is right.
func (e Event) recorded() string {
	if len(e.Want) > 1 {
		return strings.Join(e.Want, " | ")
	}
	return e.Answer
}

// Timeline is the run's time line, for people.
func (r *Run) Timeline() string {
	var b strings.Builder
	for _, e := range r.Events {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

// Versions is what ran, one line each.
func (r *Run) Versions() string {
	for _, e := range r.Events {
		if e.Kind == Versions {
			return strings.TrimSpace(e.Text) + "\n"
		}
	}
	return ""
}
