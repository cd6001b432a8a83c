// SPDX-License-Identifier: Apache-2.0

package check

import (
	"slices"

	"whohas/rule"
)

// Worse keeps the findings that a change made worse. A finding after a change is
// not worse if one before it has the same rule, the same address or a range that
// covers the one after, at least its severity, and a superset of its claimants.
// Fingerprints would not do: a conflict of three that loses one has a new
// fingerprint, and one that escalates keeps its own. Nor would the same range: a
// pool that gives back a part of its addresses has a new one.
//
// Both sides are taken with their symptoms: a symptom that comes to light when
// its cause is removed was there before.
func Worse(before, after Result) Result {
	// The few findings on a range are looked through; the many on an address are
	// looked up.
	old := map[string][]rule.Finding{}
	for _, f := range slices.Concat(before.Findings, before.Hidden) {
		key := findingKey(&f)
		if f.Range.IsValid() && !f.Range.IsSingle() {
			key = f.Rule.ID
		}
		old[key] = append(old[key], f)
	}
	worse := func(f rule.Finding) bool {
		tolerated := func(b rule.Finding) bool { return tolerates(&b, &f) }
		return !slices.ContainsFunc(old[findingKey(&f)], tolerated) && !slices.ContainsFunc(old[f.Rule.ID], tolerated)
	}
	return Result{Findings: filter(after.Findings, worse), Hidden: filter(after.Hidden, worse), Unsure: after.Unsure}
}

func findingKey(f *rule.Finding) string { return f.Rule.ID + " " + f.Place() }

// tolerates tells whether the finding before is at least as bad as the one after.
func tolerates(before, after *rule.Finding) bool {
	if before.Severity < after.Severity || before.Range != after.Range && !before.Range.Covers(after.Range) {
		return false
	}
	was := before.Owners()
	for _, o := range after.Owners() {
		if !slices.Contains(was, o) {
			return false
		}
	}
	return true
}

func filter(findings []rule.Finding, keep func(rule.Finding) bool) []rule.Finding {
	var out []rule.Finding
	for _, f := range findings {
		if keep(f) {
			out = append(out, f)
		}
	}
	return out
}
