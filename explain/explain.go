// SPDX-License-Identifier: Apache-2.0

// Package explain tells what a conflict does and how to end it: a chain from the
// cause over its effects to the fixes, each link with its evidence. Effects are
// values (who, to whom, which flow, what becomes of it), taken from what
// kube-proxy and Linux are known to do, so that the lab can probe each of them.
package explain

import (
	"strconv"
	"strings"

	"whohas/command"
	"whohas/dataplane"
	"whohas/snapshot"
)

// Certainty tells how an effect is known.
type Certainty string

// The certainties: seen on a host or a wire; following from facts that were
// read; following from a fact that had to be assumed.
const (
	Observed Certainty = "observed"
	Derived  Certainty = "derived"
	Assumed  Certainty = "assumed"
)

// LabSealed is the scenarios of the lab in which removing the claim was not enough.
const LabSealed = "lab incident-1.25 and incident-1.36, phase naive: 30 s after the owner's kube-proxy obeyed, both victims still held the address"

// Chain is the whole explanation of one finding.
type Chain struct {
	Cause   Link
	Impacts []Impact
	Notes   []Link // what nobody expects, and what had to be assumed
	Fixes   []Fix
}

// Link is a sentence with its evidence.
type Link struct {
	Text     string
	Evidence []string
}

// Impact gathers the effects that hit the same nodes in the same way, in words.
type Impact struct {
	Text      string
	Nodes     []string // who is hit, sorted
	Lost      []string // "apiserver", "kubelet", "etcd", "bgp", "tunnel", "dns", ...
	Certainty Certainty
	Evidence  []string
	Effects   []Effect
}

// Effect is the fate of one flow. From and To are sorted names of nodes, or
// "outside" for everything that is no node; the slices may be shared and must
// not be changed.
type Effect struct {
	From, To    []string
	Flow        dataplane.Flow
	Disposition dataplane.Disposition
	Basis       string // what says so: a source, or a lab scenario
}

// Fix is a way to end a conflict: steps in the order that works.
type Fix struct {
	Text  string
	Steps []Step
}

// Step is one thing to do. What it prints, what the tests apply and what a
// repair executes come from the same Edit.
type Step struct {
	Text    string
	Where   string         // the node, or "anywhere kubectl works"
	Edit    *snapshot.Edit // nil for a step that is no edit of an object or of a host
	Command command.Line   // only of a step without an Edit
}

// Line is the step's command, or the reason why it has none.
func (s Step) Line() command.Line {
	if s.Edit != nil {
		return s.Edit.Command()
	}
	return s.Command
}

// Edits lists the edits of a fix in their order.
func (f Fix) Edits() []snapshot.Edit {
	var edits []snapshot.Edit
	for _, s := range f.Steps {
		if s.Edit != nil {
			edits = append(edits, *s.Edit)
		}
	}
	return edits
}

// Names joins names for a sentence: "a", "a and b", "a, b and 3 more".
func Names(names []string) string {
	const most = 4
	switch n := len(names); {
	case n == 0:
		return "no node"
	case n == 1:
		return names[0]
	case n <= most:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	default:
		return strings.Join(names[:most-1], ", ") + " and " + strconv.Itoa(n-most+1) + " more"
	}
}
