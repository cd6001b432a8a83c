// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"whohas/claim"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/theft"
	"whohas/snapshot"
)

// Target gathers what the explanation of a takeover needs.
func Target(p *rule.Pass, subjects []claim.Claim, is string, loses ...string) explain.Target {
	t := explain.Target{Address: p.Key.Range.From, Is: is, Lost: loses, API: theft.ServesAPI(p)}
	t.Owner = pick.HostOwner(p)
	held := theft.Stolen(p).Held
	t.Seen, t.Listens = theft.Sights(held), theft.Listens(p)
	_, over := theft.PassedOver(p, held)
	t.Over = pick.HostNames(over)
	if len(subjects) > 0 {
		t.Service = subjects[0].By.String()
	}
	seen := map[snapshot.Port]bool{}
	for _, s := range subjects {
		for _, port := range s.Ports {
			if !seen[port] {
				seen[port] = true
				t.Ports = append(t.Ports, port)
			}
		}
	}
	return t
}

// takeoverChain is the whole explanation of a takeover.
func takeoverChain(p *rule.Pass, subjects []claim.Claim, t explain.Target, cause string) explain.Chain {
	return explain.Chain{
		Cause:   explain.Link{Text: cause, Evidence: pick.Evidence(subjects)},
		Impacts: explain.Takeover(t, p.Facts),
		Notes:   theft.ModeNotes(p, t),
		Fixes:   []explain.Fix{fix.TakeoverFix(p, subjects, t)},
	}
}
