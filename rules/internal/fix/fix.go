// SPDX-License-Identifier: Apache-2.0

// Package fix is the edits and steps that end a conflict: at the object that claims, in a
// pool, on hosts.
package fix

import (
	"cmp"
	"slices"

	"whohas/claim"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules/internal/pick"
	"whohas/snapshot"
)

// RequestsFirst puts the removal of what a controller acts on before the removal
// of what it wrote: else it writes it again.
func RequestsFirst(p *rule.Pass, intruders []claim.Claim, chain explain.Chain) explain.Chain {
	blamed := map[snapshot.Ref]bool{}
	for _, s := range intruders {
		blamed[s.Owner] = true
	}
	requests := slices.DeleteFunc(p.Others(claim.Request), func(r claim.Claim) bool { return !blamed[r.Owner] })
	if steps := Removals(p, requests); len(steps) > 0 && len(chain.Fixes) > 0 {
		chain.Fixes[0].Steps = append(steps, chain.Fixes[0].Steps...)
	}
	return chain
}

// RemoveAll is the fix of a finding on which the nodes' reachability does not
// depend: take the claims away.
func RemoveAll(p *rule.Pass, text string, claims []claim.Claim) explain.Fix {
	return explain.Fix{Text: text, Steps: Removals(p, claims)}
}

// Removals are the steps that take claims away, in the order that works: what a
// controller acts on before what it wrote, a list's later item before an earlier
// one, and once where an object stands in several files.
func Removals(p *rule.Pass, claims []claim.Claim) []explain.Step {
	claims = slices.Clone(claims)
	slices.SortStableFunc(claims, func(a, b claim.Claim) int {
		return cmp.Or(a.By.Compare(b.By), cmp.Compare(b.Role, a.Role), pick.LaterFirst(a.Origin.Field, b.Origin.Field))
	})
	var steps []explain.Step
	seen := map[string]bool{} // of ten thousand claims at one address each would be asked about each
	for _, c := range claims {
		take := removal
		if c.Role == claim.Pool {
			take = poolRemoval
		}
		step, ok := take(p, c, explain.Anywhere)
		if !ok {
			continue
		}
		if does := cmp.Or(step.Line().String(), step.Text); !seen[does] {
			seen[does] = true
			steps = append(steps, step)
		}
	}
	return steps
}

// removal is the step that takes one claim away; a claim of an object that is
// not known as a tree has none.
func removal(p *rule.Pass, c claim.Claim, where string) (explain.Step, bool) {
	for _, o := range p.Objects.Of(c.By) {
		if o.File == c.Origin.File {
			return explain.Removal(pick.KindOf(c.By), o, c, where), true
		}
	}
	return explain.Step{}, false
}
