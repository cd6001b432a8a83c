// SPDX-License-Identifier: Apache-2.0

// Package report writes what was found, one file for each format: text for
// people, JSON for scripts (the contract is docs/report.schema.json), SARIF and
// workflow annotations for pipelines.
package report

import (
	"slices"

	"whohas/cluster"
	"whohas/rule"
	"whohas/snapshot"
)

// Report is the outcome of a check. Everything in it is sorted.
type Report struct {
	Tool       string // the version of whohas
	Findings   []rule.Finding
	Hidden     []rule.Finding // symptoms of the findings
	Suppressed []Suppressed
	Coverage   []snapshot.Coverage
	Facts      *cluster.Facts
	Objects    int
	Addresses  int
	Base       bool // only what a change makes worse
}

// Suppressed is a finding that somebody allowed, and how.
type Suppressed struct {
	Finding rule.Finding
	Reason  string
	Until   string // as written, or ""
	By      string // where the permission stands: "Service demo/tomcat annotation whohas.io/allow"
}

// Complete reports whether everything that was asked for could be read.
func (r *Report) Complete() bool {
	return !slices.ContainsFunc(r.Coverage, unread)
}

// unread reports whether a line of the coverage is about something that was asked
// for and could not be read, or not whole. What is absent was not there to read.
func unread(c snapshot.Coverage) bool {
	return c.Failed || c.Status == snapshot.StatusDenied || c.Status == snapshot.StatusPartial || c.Status == snapshot.StatusUnreadable
}

// Worst is the worst severity found; ok is false without findings.
func (r *Report) Worst() (worst rule.Severity, ok bool) {
	for _, f := range r.Findings {
		worst = max(worst, f.Severity)
	}
	return worst, len(r.Findings) > 0
}

// counts is the number of findings of each severity, the worst first.
func (r *Report) counts() []count {
	var out []count
	for s := rule.Critical; s >= rule.Info; s-- {
		n := 0
		for _, f := range r.Findings {
			if f.Severity == s {
				n++
			}
		}
		if n > 0 {
			out = append(out, count{s, n})
		}
	}
	return out
}

type count struct {
	severity rule.Severity
	n        int
}
