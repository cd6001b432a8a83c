// SPDX-License-Identifier: Apache-2.0

// Package diagnose says what is wrong with a host's addresses, from what the host
// itself shows: no apiserver and no credentials are needed. It does what an
// operator does by hand, each step a Check with its evidence, and holds the steps
// against the findings of the rules: what a finding explains stands under it.
//
// It is pure: whoever calls it has read the host.
package diagnose

import (
	"net/netip"

	"whohas/check"
	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// Seen is what a diagnosis stands on. Nothing in it is changed.
type Seen struct {
	Host     *dataplane.Host    // the host that is asked about
	Snapshot *snapshot.Snapshot // it, perhaps other hosts, perhaps objects
	Facts    *cluster.Facts
	View     claim.View
	Result   check.Result // of all rules
}

// Verdict is the answer in a word.
type Verdict string

// The verdicts. Unrelated: something is wrong, and no address is taken. Unknown: what
// would show it could not be read.
const (
	Cause     Verdict = "cause"
	Unrelated Verdict = "not-this"
	Healthy   Verdict = "healthy"
	Unknown   Verdict = "unknown"
)

// Diagnosis is the outcome. The lists are in the order in which people read them.
type Diagnosis struct {
	Host        string
	Verdict     Verdict
	Title       string         // the answer in a sentence
	Cause       *rule.Finding  // nil: none was found
	Others      []rule.Finding // further findings that concern the host
	Service     []explain.Link // which Service it is, as far as the host knows
	Ineffective []explain.Link // fixes that people try and that do not help, and why
	Checks      []Check
	Next        []explain.Step // what to do next, safe to type
}

// Outcome of a check.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Problem Outcome = "problem"
	Missing Outcome = "unknown"
)

// Check is one step of the search.
type Check struct {
	Name     string // "kubelet", "neighbours"
	Outcome  Outcome
	Text     string
	Evidence []string
	Because  string     // the rule whose finding explains the problem, or ""
	weight   int        // what it says where no finding explains it
	about    netip.Addr // whom it concerns
	who      []string   // the machines that it concerns
	cutOff   bool       // it comes of not reaching the apiserver
}

// step is one way of looking at a host.
type step func(*examination) []Check

// steps are in the order of the search: from what hurts down to the wire.
func steps() []step {
	return []step{
		kubelet, apiserver, proxy, serviceAddresses,
		links, routes, neighbours, duplicates,
		reversePath, firewall, selinux,
		bgp, tunnel, runtime,
	}
}

// Run diagnoses a host.
func Run(s Seen) Diagnosis {
	l := newExamination(s)
	d := Diagnosis{Host: s.Host.Name}
	d.Cause, d.Others = l.findings()
	for _, step := range steps() {
		d.Checks = append(d.Checks, step(l)...)
	}
	l.explain(d.Cause, d.Checks)
	l.conclude(&d)
	return d
}
