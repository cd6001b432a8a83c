// SPDX-License-Identifier: Apache-2.0

package check

import (
	"slices"

	"whohas/rule"
)

// Worse keeps the findings that a change made worse. A finding after a change is
// not worse if everything it says was said before by findings of the same rule, or
// of one that explains it or is explained by it, on the same address or on a range
// around it: each of the conflicts that it is made
// of (who takes from whom), and its severity of one of these.
//
// Fingerprints would not do: a conflict of three that loses one has a new
// fingerprint, and one that escalates keeps its own. Nor would the same range: a
// pool that gives back a part of its addresses has a new one.
//
// What kernels alone show is never worse.
//
// Both sides are taken with their symptoms: a symptom that comes to light when
// its cause is removed was there before.
func Worse(before, after Result) Result {
	// The few findings on a range are looked through; the many on an address are
	// looked up.
	old := map[string][]said{}
	for _, f := range slices.Concat(before.Findings, before.Hidden) {
		key := findingKey(&f)
		if f.Range.IsValid() && !f.Range.IsSingle() {
			key = f.Rule.ID
		}
		old[key] = append(old[key], said{f, f.Owners()})
	}
	worse := func(f rule.Finding) bool {
		if ofKernels(&f) {
			return false
		}
		was := slices.Concat(old[findingKey(&f)], old[f.Rule.ID])
		for _, kin := range kindred(f.Rule, before) {
			was = slices.Concat(was, old[kin.ID+" "+f.Place()], old[kin.ID])
		}
		return !tolerated(&f, was)
	}
	return Result{Findings: filter(after.Findings, worse), Hidden: filter(after.Hidden, worse), Unsure: after.Unsure}
}

// ofKernels tells whether a finding is made of what kernels show alone: no change
// of objects brings it, and a kernel that was read before the change shows what
// was so then. kube-proxy takes off what a change leaves behind.
func ofKernels(f *rule.Finding) bool {
	return len(f.Claimants) > 0 && !slices.ContainsFunc(f.Claimants, func(c rule.Claimant) bool { return c.Origin.Host == "" })
}

// kindred lists the rules by which the same conflict may have been told before: a
// rule explains another's findings, and a pool that shrinks, or a claim that loses
// company, can move from one to the other.
func kindred(r *rule.Rule, before Result) []*rule.Rule {
	kin := slices.Clone(r.After)
	for _, f := range slices.Concat(before.Findings, before.Hidden) {
		if slices.Contains(f.Rule.After, r) && !slices.Contains(kin, f.Rule) {
			kin = append(kin, f.Rule)
		}
	}
	return kin
}

func findingKey(f *rule.Finding) string { return f.Rule.ID + " " + f.Place() }

// said is a finding before the change, with its sorted claimants.
type said struct {
	rule.Finding
	owners []string
}

func (s *said) names(owners ...string) bool {
	return !slices.ContainsFunc(owners, func(o string) bool {
		_, found := slices.BinarySearch(s.owners, o)
		return !found
	})
}

// tolerated tells whether findings before say all that f says.
func tolerated(f *rule.Finding, before []said) bool {
	before = slices.DeleteFunc(before, func(s said) bool { return s.Range != f.Range && !s.Range.Covers(f.Range) })
	all := f.Owners()
	if slices.ContainsFunc(before, func(s said) bool { return s.Severity >= f.Severity && s.names(all...) }) {
		return true
	}
	// A pool that shrinks to the address of a Service, or to another pool's range,
	// joins its finding: there is one where there were two.
	severe := false
	for _, conflict := range conflicts(f) {
		named := slices.DeleteFunc(slices.Clone(before), func(s said) bool { return !s.names(conflict...) })
		if len(named) == 0 {
			return false
		}
		severe = severe || slices.ContainsFunc(named, func(s said) bool { return s.Severity >= f.Severity })
	}
	return severe
}

// conflicts lists what a finding is made of: each intruder with each owner, each
// two rivals, or who stands there alone.
func conflicts(f *rule.Finding) [][]string {
	take, from := partsOf(f, rule.Intruder), partsOf(f, rule.Owner, rule.Witness)
	var out [][]string
	for _, t := range take {
		if len(from) == 0 {
			out = append(out, []string{t})
		}
		for _, o := range from {
			out = append(out, []string{t, o})
		}
	}
	rivals := partsOf(f, rule.Rival)
	for i, a := range rivals {
		for _, b := range rivals[i:] {
			out = append(out, []string{a, b})
		}
	}
	return out
}

// partsOf lists on whose behalf the claims in some parts are made.
func partsOf(f *rule.Finding, parts ...rule.Part) []string {
	part := rule.Finding{Claimants: slices.DeleteFunc(slices.Clone(f.Claimants), func(c rule.Claimant) bool { return !slices.Contains(parts, c.Part) })}
	return part.Owners()
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
