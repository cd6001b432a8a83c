// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"

	"whohas/testkit/clustergen"
)

// compare tells what is wrong with what was found: a planted conflict that is
// missing or there twice, and a finding that nothing was planted for.
//
// An entry with a Why is brought along by another. Whether it is a finding of
// its own is a question of words, so it may be there and need not. A symptom is
// explained by another finding: it counts as found, and is invented only where
// nothing at all was planted.
func compare(planted []clustergen.Planted, r *report) []string {
	var wrong []string
	all := slices.Concat(r.Findings, r.Symptoms)
	for _, p := range planted {
		n := 0
		for _, f := range all {
			if f.is(p) {
				n++
			}
		}
		if n != 1 && p.Why == "" {
			wrong = append(wrong, fmt.Sprintf("%s %s%s of %v: found %d times", p.Rule, p.Address, p.Range, p.Objects, n))
		}
	}
	for _, f := range r.Findings {
		if !slices.ContainsFunc(planted, f.is) {
			wrong = append(wrong, "not planted: "+f.String())
		}
	}
	for _, f := range r.Symptoms {
		if !slices.ContainsFunc(planted, f.covers) {
			wrong = append(wrong, "not planted: "+f.String()+", as a symptom")
		}
	}
	return wrong
}

func (f finding) String() string {
	var blamed []string
	for _, c := range f.Claimants {
		blamed = append(blamed, c.Object)
	}
	return fmt.Sprintf("%s %s%s of %v", f.Rule, f.Address, f.Range, blamed)
}

func (f finding) is(p clustergen.Planted) bool {
	return f.Rule == p.Rule && f.covers(p) && f.names(p.Objects)
}

// covers reports whether a finding is about the planted address: the pool that
// holds a node's address is named by its range.
func (f finding) covers(p clustergen.Planted) bool {
	in, err := place(f.Address, f.Range)
	if err != nil {
		return false
	}
	at, err := place(p.Address, p.Range)
	return err == nil && in.Contains(at.From) && in.Contains(at.To)
}

func (f finding) names(objects []string) bool {
	for _, o := range objects {
		if !slices.ContainsFunc(f.Claimants, func(c struct{ Object string }) bool { return c.Object == o }) {
			return false
		}
	}
	return true
}

// own counts the conflicts that no other brings.
func own(planted []clustergen.Planted) int {
	n := 0
	for _, p := range planted {
		if p.Why == "" {
			n++
		}
	}
	return n
}
