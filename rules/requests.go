// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"whohas/claim"
	"whohas/explain"
	"whohas/rule"
)

// requestsFirst puts the removal of what a controller acts on before the removal
// of what it wrote: else it writes it again.
func requestsFirst(p *rule.Pass, intruders []claim.Claim, chain explain.Chain) explain.Chain {
	var steps []explain.Step
	for _, r := range p.Others(claim.Request) {
		for _, s := range intruders {
			if !claim.SameOwner(r, s) {
				continue
			}
			if step, ok := removal(p, r, explain.Anywhere); ok {
				steps = append(steps, step)
			}
			break
		}
	}
	if len(steps) > 0 && len(chain.Fixes) > 0 {
		chain.Fixes[0].Steps = append(steps, chain.Fixes[0].Steps...)
	}
	return chain
}

// removeAll is the fix of a finding on which the nodes' reachability does not
// depend: take the claims away.
func removeAll(p *rule.Pass, text string, claims []claim.Claim) explain.Fix {
	f := explain.Fix{Text: text}
	for _, c := range claims {
		if step, ok := removal(p, c, explain.Anywhere); ok {
			f.Steps = append(f.Steps, step)
		}
	}
	return f
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
