// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"cmp"
	"slices"

	"whohas/claim"
	"whohas/snapshot"
)

// Pass is one question put to a rule. It is used by one goroutine.
type Pass struct {
	Rule    *Rule
	Key     Key
	View    claim.View
	Facts   *Facts
	Objects Source

	// Only rules about the check itself ask for these.
	Coverage     []snapshot.Coverage
	Suppressions []SuppressionState
	Rules        []*Rule
	Inconclusive []Inconclusive
	Weakened     []Weakened // of a check against a base

	touching     []claim.Claim
	report       func(Finding)
	inconclusive func(Inconclusive)
}

// Inconclusive is a rule that could not answer, and what it would need.
type Inconclusive struct {
	Rule *Rule
	Need string
}

// NewPass makes a pass that answers through report and unsure.
func NewPass(base Pass, report func(Finding), unsure func(Inconclusive)) *Pass {
	base.report, base.inconclusive = report, unsure
	return &base
}

// Ask puts a key to a rule. touching are the claims that share an address with
// the key, or that the object makes; they are gathered once for all rules, and
// neither they nor the Pass are kept by a rule.
func (p *Pass) Ask(r *Rule, key Key, touching []claim.Claim) {
	p.Rule, p.Key, p.touching = r, key, touching
	r.Check(p)
}

// Subjects lists the claims that make the key what it is: on exactly its range,
// in the rule's subject roles, sorted.
func (p *Pass) Subjects() []claim.Claim {
	return p.claims(func(c *claim.Claim) bool { return c.Role&p.Rule.Subject != 0 && c.Range == p.Key.Range })
}

// Others lists the claims in some roles that share an address with the key, sorted:
// of a range key not the pools that lie elsewhere or over it, of an overlap those
// that make it.
func (p *Pass) Others(roles claim.Roles) []claim.Claim {
	return p.claims(func(c *claim.Claim) bool { return c.Role&roles != 0 })
}

// Any reports whether one of the claims that share an address with the key is such a one.
// It copies none: most of a large host's addresses are dismissed by it.
func (p *Pass) Any(match func(*claim.Claim) bool) bool {
	for i := range p.touching {
		if match(&p.touching[i]) {
			return true
		}
	}
	return false
}

func (p *Pass) claims(match func(*claim.Claim) bool) []claim.Claim {
	out := claim.Select(p.touching, match)
	slices.SortFunc(out, claim.Compare)
	return out
}

// Object is one of the objects with that name, or nil.
func (p *Pass) Object(r snapshot.Ref) *snapshot.Object {
	if objects := p.Objects.Of(r); len(objects) > 0 {
		return objects[0]
	}
	return nil
}

// Report makes a finding. The rule, its key where the finding names none, and
// the history of the claimants are filled in.
func (p *Pass) Report(f Finding) {
	f.Rule = p.Rule
	if !f.Range.IsValid() {
		f.Range = p.Key.Range
	}
	f.Claimants = distinct(f.Claimants)
	for i := range f.Claimants {
		f.Claimants[i].trace(p.Objects)
	}
	p.report(f)
}

// Inconclusively says that the rule could not answer, and what it would need.
func (p *Pass) Inconclusively(need string) { p.inconclusive(Inconclusive{p.Rule, need}) }

// Claimants gives claims their part.
func Claimants(part Part, claims ...claim.Claim) []Claimant {
	out := make([]Claimant, len(claims))
	for i, c := range claims {
		out[i] = Claimant{Claim: c, Part: part}
	}
	return out
}

// statement is what a claimant says.
type statement struct {
	part Part
	by   snapshot.Ref
	kind claim.Kind
	at   claim.Range
}

// distinct drops what says the same twice: one object in several files, and the
// many hostNetwork Pods that all bear witness for their node.
func distinct(claimants []Claimant) []Claimant {
	var out []Claimant
	said := map[statement]bool{}
	spoken := map[snapshot.Ref]bool{}
	for i := range claimants {
		c := &claimants[i]
		if c.By == c.Owner {
			spoken[c.Owner] = true
		}
		said[statement{c.Part, c.By, c.Kind, c.Range}] = true
	}
	type entry struct {
		statement
		moved bool
	}
	seen := map[entry]bool{}
	for _, c := range claimants {
		key := entry{statement: statement{c.Part, c.By, c.Kind, c.Range}}
		if c.Part == Witness && (said[statement{Owner, c.By, c.Kind, c.Range}] || said[statement{Intruder, c.By, c.Kind, c.Range}]) {
			continue // it is not its own witness
		}
		if c.Part == Owner && c.Origin.Host != "" && spoken[c.Owner] {
			c.Part = Witness // its Node says so already
			key.moved = true
		}
		if c.By != c.Owner && c.By.Kind == snapshot.PodKind.Kind {
			if spoken[c.Owner] {
				continue
			}
			spoken[c.Owner] = true
		}
		if !seen[key] {
			seen[key] = true
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b Claimant) int { return cmp.Compare(partOrder(a.Part), partOrder(b.Part)) })
	return out
}

// partOrder puts those first who must give way, and witnesses last.
func partOrder(p Part) int { return slices.Index([]Part{Intruder, Rival, Owner, Witness}, p) }
