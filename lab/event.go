// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"strings"
	"time"
)

// Job is what a kernel is booted for: its scenarios run one after the other.
type Job struct {
	Backend   Backend
	Scenarios []*Scenario
	Out       string            // the folder for what is brought back
	Shell     string            // the host that a shell is opened on at the end; empty: none
	Repeat    int               // how often each scenario runs; 0 is once
	Versions  map[string]string // of the programs
	Keep      bool              // the components' logs are brought back, also of runs that passed
}

// Event is something that happened in a run: the time line is made of them.
type Event struct {
	Kind     EventKind
	At       time.Duration // since the scenario began
	Scenario string        `json:",omitempty"`
	Phase    string        `json:",omitempty"`
	Line     int           `json:",omitempty"` // of the scenario's file, counted from its first line
	Text     string        `json:",omitempty"`
	Answer   string        `json:",omitempty"` // what a query saw
	Want     []string      `json:",omitempty"`
	Took     time.Duration `json:",omitempty"` // of a wait
}

// EventKind is what sort of event it is.
type EventKind string

// The kinds of events.
const (
	Began    EventKind = "began"    // a scenario
	Did      EventKind = "did"      // a step
	Saw      EventKind = "saw"      // a query's answer
	Noted    EventKind = "noted"    // something worth a line that is not on record: a component is ready
	Versions EventKind = "versions" // what ran: kernel and components; Text has a line for each
	Failed   EventKind = "failed"   // the scenario failed; Text says why
	Ended    EventKind = "ended"    // the scenario
	Halting  EventKind = "halting"  // the kernel; what follows was not run
)

// String gives the event as a line of the time line.
func (e Event) String() string {
	at := fmt.Sprintf("%8.2f", e.At.Seconds())
	switch e.Kind {
	case Began:
		return at + "  === " + e.Scenario
	case Saw:
		line := at + "  " + e.Text + ": " + e.Answer
		if e.Took > 0 {
			line += fmt.Sprintf("  (after %.2f s)", e.Took.Seconds())
		}
		return line
	case Failed:
		return at + "  FAILED " + e.Text
	case Ended:
		return at + "  ended"
	case Versions:
		return at + "  " + strings.ReplaceAll(strings.TrimSpace(e.Text), "\n", ", ")
	default:
		return at + "  " + e.Text
	}
}
