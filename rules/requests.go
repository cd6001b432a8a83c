// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"whohas/claim"
	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// requestsFirst puts the removal of what a controller acts on before the removal
// of what it wrote: else it writes it again.
func requestsFirst(p *rule.Pass, intruders []claim.Claim, chain explain.Chain) explain.Chain {
	blamed := map[snapshot.Ref]bool{}
	for _, s := range intruders {
		blamed[s.Owner] = true
	}
	requests := slices.DeleteFunc(p.Others(claim.Request), func(r claim.Claim) bool { return !blamed[r.Owner] })
	if steps := removals(p, requests); len(steps) > 0 && len(chain.Fixes) > 0 {
		chain.Fixes[0].Steps = append(steps, chain.Fixes[0].Steps...)
	}
	return chain
}

// removeAll is the fix of a finding on which the nodes' reachability does not
// depend: take the claims away.
func removeAll(p *rule.Pass, text string, claims []claim.Claim) explain.Fix {
	return explain.Fix{Text: text, Steps: removals(p, claims)}
}

// removals are the steps that take claims away, in the order that works: what a
// controller acts on before what it wrote, a list's later item before an earlier
// one, and once where an object stands in several files.
func removals(p *rule.Pass, claims []claim.Claim) []explain.Step {
	claims = slices.Clone(claims)
	slices.SortStableFunc(claims, func(a, b claim.Claim) int {
		return cmp.Or(a.By.Compare(b.By), cmp.Compare(b.Role, a.Role), laterFirst(a.Origin.Field, b.Origin.Field))
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

// laterFirst orders fields so that a list's later items come first: taking one
// away moves those behind it.
func laterFirst(a, b string) int {
	return slices.CompareFunc(snapshot.PathKeys(a), snapshot.PathKeys(b), func(a, b string) int {
		m, errM := strconv.Atoi(a)
		n, errN := strconv.Atoi(b)
		if errM == nil && errN == nil {
			return cmp.Compare(n, m)
		}
		return strings.Compare(a, b)
	})
}

// against tells who takes what from whom: the subjects that claim what is
// somebody else's, and the claims of the others that are not every subject's
// own. That one subject names what is its own hides nobody who takes it.
func against(subjects, others []claim.Claim) (intruders, owners []claim.Claim) {
	by, of := holdersOf(subjects), holdersOf(others)
	for _, s := range subjects {
		if of.beside(s.Owner) {
			intruders = append(intruders, s)
		}
	}
	for _, o := range others {
		if by.beside(o.Owner) {
			owners = append(owners, o)
		}
	}
	return intruders, owners
}

// simpleChain explains a finding with one sentence each.
func simpleChain(cause, effect string, intruders []claim.Claim, fixes ...explain.Fix) explain.Chain {
	certainty := explain.Derived
	return explain.Chain{
		Cause:  explain.Link{Text: cause, Evidence: evidence(intruders)},
		Losses: []explain.Loss{{Text: effect, Certainty: certainty, Evidence: evidence(intruders)}},
		Fixes:  fixes,
	}
}

// requested explains a request that would become a takeover once granted.
func requested(p *rule.Pass, intruders []claim.Claim, is, cause string, loses ...string) explain.Chain {
	t := target(p, intruders, is, loses...)
	chain := explain.Chain{
		Cause:  explain.Link{Text: cause, Evidence: evidence(intruders)},
		Losses: explain.Takeover(t, p.Facts),
		Notes:  append([]explain.Link{{Text: "this happens once the controller grants the request"}}, modeNotes(p, t)...),
		Fixes:  []explain.Fix{removeAll(p, "withdraw the request before it is granted", intruders)},
	}
	return chain
}

// gatewayChain explains a Gateway's request by what it takes from whom.
func gatewayChain(p *rule.Pass, gateways, owners []claim.Claim, cause string) explain.Chain {
	if len(inRole(owners, claim.Host|claim.ControlPlane)) > 0 {
		return requested(p, gateways, "the control plane", cause, "apiserver")
	}
	return simpleChain(cause, "the Service that the Gateway's controller generates takes the address from its place", gateways,
		removeAll(p, "withdraw the request", gateways))
}
