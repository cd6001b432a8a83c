// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/explain"
	"whohas/rule"
)

// StaleSuppression keeps permissions from outliving their reason.
var StaleSuppression = add(rule.Rule{
	ID:       "WH902",
	Name:     "stale-suppression",
	Severity: rule.Warning,
	Policy:   rule.Policy{None: "it is about permissions, not about a write"},
	Doc: rule.Doc{
		Problem: "A permission for a finding (.whohas.yaml, or the annotation whohas.io/allow) gives no reason, has expired, or matches nothing.",
		Effect:  "The suppression is ignored, or it will hide a conflict it was not written for.",
		Why:     "A permission without a reason cannot be judged by the next reader, and one that matches nothing hides the next conflict.",
		Fix:     "Write the reason, set a new date, or remove it.",
		Since:   "0.1",
		Refs:    []string{"https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html"},
	},
	On: rule.OnCluster,
	Check: func(p *rule.Pass) {
		for _, a := range p.Suppressions {
			why := a.Fault
			if why == "" && !a.Used {
				why = "matches no finding"
			}
			if why == "" {
				continue
			}
			f := rule.Finding{
				Severity: rule.Warning,
				Title:    fmt.Sprintf("the permission for %s in %s %s", orNoRule(a.Rule), a.Where(), why),
				Chain:    explain.Chain{Cause: explain.Link{Text: "the permission " + why}},
			}
			if !a.Object.IsZero() {
				f.Claimants = rule.Claimants(rule.Intruder, claim.Claim{By: a.Object, Owner: a.Object, Kind: "annotation.allow", Origin: a.Origin})
			}
			p.Report(f)
		}
	},
})

func orNoRule(id string) string {
	if id == "" {
		return "no rule"
	}
	return id
}
