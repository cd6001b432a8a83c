// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"whohas/rule"
	"whohas/snapshot"
)

// Worse keeps the findings that a change made worse. A finding after a change is
// not worse if everything it says was said before by findings of the same rule, or
// of one that explains it or is explained by it: each of the conflicts that it is
// made of (who takes from whom), by claims that held at least as much, and its
// severity by one of these.
//
// Fingerprints would not do: a conflict of three that loses one has a new
// fingerprint, and one that escalates keeps its own. Nor would the same range: a
// pool that gives back a part of its addresses has a new one, and a finding on
// several ranges grows when they shrink, by what then lies between them.
//
// What kernels alone show is never worse.
//
// Both sides are taken with their symptoms: a symptom that comes to light when
// its cause is removed was there before.
func Worse(before, after Result) Result {
	if len(after.Findings)+len(after.Hidden) == 0 {
		return Result{Inconclusive: after.Inconclusive}
	}
	old := recall(before)
	kin := map[*rule.Rule][]*rule.Rule{}
	worse := func(f rule.Finding) bool {
		if ofKernels(&f) {
			return false
		}
		if kin[f.Rule] == nil {
			kin[f.Rule] = append(kindred(f.Rule, before), f.Rule)
		}
		return !old.tolerates(&f, kin[f.Rule])
	}
	return Result{Findings: filter(after.Findings, worse), Hidden: filter(after.Hidden, worse), Inconclusive: after.Inconclusive}
}

// ofKernels reports whether a finding is made of what kernels show alone: no change
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
	for _, list := range [][]rule.Finding{before.Findings, before.Hidden} {
		for i := range list {
			if f := &list[i]; slices.Contains(f.Rule.After, r) && !slices.Contains(kin, f.Rule) {
				kin = append(kin, f.Rule)
			}
		}
	}
	return kin
}

// memory is what was said before, by rule and by whom it names; what names nobody by the
// zero name.
type memory struct {
	by    map[*rule.Rule]map[snapshot.Ref][]*said
	known map[string]bool // keys of what was said
}

func recall(before Result) memory {
	m := memory{map[*rule.Rule]map[snapshot.Ref][]*said{}, map[string]bool{}}
	for _, f := range slices.Concat(before.Findings, before.Hidden) {
		s := &said{Finding: f, owners: f.Owners()}
		// Of an object that says the same thing in a thousand fields once is enough.
		k := key(&f)
		if m.known[k] {
			continue
		}
		m.known[k] = true
		if m.by[f.Rule] == nil {
			m.by[f.Rule] = map[snapshot.Ref][]*said{}
		}
		for owner := range ownersOf(&f) {
			m.by[f.Rule][owner] = append(m.by[f.Rule][owner], s)
		}
	}
	return m
}

// key is all that is asked of what a finding says.
func key(f *rule.Finding) string {
	var b strings.Builder
	fmt.Fprintln(&b, f.Rule.ID, f.Severity, f.Range)
	for i := range f.Claimants {
		c := &f.Claimants[i]
		fmt.Fprintln(&b, c.Owner.Group, c.Owner, c.Range)
	}
	return b.String()
}

func ownersOf(f *rule.Finding) map[snapshot.Ref]bool {
	owners := map[snapshot.Ref]bool{}
	for i := range f.Claimants {
		owners[f.Claimants[i].Owner] = true
	}
	if len(owners) == 0 {
		owners[snapshot.Ref{}] = true
	}
	return owners
}

// of lists what some rules said of all of some owners: no less, and perhaps more. It is
// what they said of that one of whom they said least.
func (m memory) of(rules []*rule.Rule, owners ...snapshot.Ref) []*said {
	var out []*said
	for _, r := range rules {
		var least []*said
		for i, o := range owners {
			if list := m.by[r][o]; i == 0 || len(list) < len(least) {
				least = list
			}
		}
		out = append(out, least...)
	}
	return out
}

// said is a finding before the change, with its sorted claimants.
type said struct {
	rule.Finding
	owners []string
	by     map[snapshot.Ref][]rule.Claimant // by owner, where there are many; made when it is asked for
}

// crowd is how many claimants are still held up against each other two by two.
const crowd = 256

// many claimants are looked up and not gone through: each is held up against each.
const many = 16

// of lists the claimants that may be an owner's.
func (s *said) of(owner snapshot.Ref) []rule.Claimant {
	if len(s.Claimants) <= many {
		return s.Claimants
	}
	if s.by == nil {
		s.by = make(map[snapshot.Ref][]rule.Claimant, len(s.Claimants))
		for _, c := range s.Claimants {
			s.by[c.Owner] = append(s.by[c.Owner], c)
		}
	}
	return s.by[owner]
}

func (s *said) names(owners []string) bool {
	return !slices.ContainsFunc(owners, func(o string) bool {
		_, found := slices.BinarySearch(s.owners, o)
		return !found
	})
}

// holds reports whether the finding has a claim of the same owner on all that c is on.
// Who only bears witness for an owner is not shown where the owner speaks: there it
// is enough that the finding is about c's place.
func (s *said) holds(c *rule.Claimant) bool {
	witness := c.By != c.Owner && s.Range.Covers(c.Range)
	return slices.ContainsFunc(s.of(c.Owner), func(was rule.Claimant) bool {
		return was.Owner == c.Owner && (witness || was.Range == c.Range || was.Range.Covers(c.Range))
	})
}

func (s *said) holdsAll(claimants []rule.Claimant) bool {
	if len(claimants) == 0 {
		return false
	}
	for i := range claimants {
		if !s.holds(&claimants[i]) {
			return false
		}
	}
	return true
}

// tolerates reports whether findings before say all that f says.
func (m memory) tolerates(f *rule.Finding, kin []*rule.Rule) bool {
	if m.known[key(f)] {
		return true
	}
	all := f.Owners()
	before := m.of(kin, slices.Collect(maps.Keys(ownersOf(f)))...)
	// Names, not claims: a finding shows one claim of an owner, and which one may
	// change when it loses another.
	if slices.ContainsFunc(before, func(s *said) bool {
		return s.Severity >= f.Severity && (s.Range == f.Range || s.Range.Covers(f.Range)) && s.names(all) || s.Severity >= f.Severity && s.holdsAll(f.Claimants)
	}) {
		return true
	}
	// Of very many two by two is not asked: they are one finding, and what is taken out
	// of it leaves it holding the rest.
	if len(f.Claimants) > crowd {
		return false
	}
	// A pool that shrinks to the address of a Service, or to another pool's range,
	// joins its finding: there is one where there were two.
	severe := false
	for a, b := range conflicts(f) {
		known := false
		for _, s := range m.of(kin, a.Owner, b.Owner) {
			// Another rule's word counts for what it was worth: who was told of in passing
			// has no part yet in what a graver rule says.
			if s.Rule != f.Rule && s.Severity < f.Severity {
				continue
			}
			if s.holds(a) && s.holds(b) {
				known, severe = true, severe || s.Severity >= f.Severity
			}
		}
		if !known {
			return false
		}
	}
	return severe
}

// conflicts yields what a finding is made of: each intruder with each owner, each
// two rivals; who stands there alone, with itself.
func conflicts(f *rule.Finding) iter.Seq2[*rule.Claimant, *rule.Claimant] {
	return func(yield func(a, b *rule.Claimant) bool) {
		take, from, rivals := partsOf(f, rule.Intruder), fromWhom(f), partsOf(f, rule.Rival)
		alone := take
		if len(take) == 0 {
			alone = from
		}
		for _, a := range take {
			for _, b := range from {
				if !yield(a, b) {
					return
				}
			}
		}
		for i, a := range rivals {
			for _, b := range rivals[i:] {
				if !yield(a, b) {
					return
				}
			}
		}
		for _, a := range alone {
			if (len(take) == 0 || len(from) == 0) && !yield(a, a) {
				return
			}
		}
	}
}

// fromWhom lists whose the address is, and who bears witness of that. Who bears witness
// that an intruder has it says nothing of owners.
func fromWhom(f *rule.Finding) []*rule.Claimant {
	takes := map[snapshot.Ref]bool{}
	for _, c := range partsOf(f, rule.Intruder) {
		takes[c.Owner] = true
	}
	return slices.DeleteFunc(partsOf(f, rule.Owner, rule.Witness), func(c *rule.Claimant) bool {
		return c.Part == rule.Witness && takes[c.Owner]
	})
}

// partsOf lists the claimants in some parts.
func partsOf(f *rule.Finding, parts ...rule.Part) []*rule.Claimant {
	var out []*rule.Claimant
	for i := range f.Claimants {
		if slices.Contains(parts, f.Claimants[i].Part) {
			out = append(out, &f.Claimants[i])
		}
	}
	return out
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
