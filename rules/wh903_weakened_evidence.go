// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"cmp"
	"fmt"

	"whohas/claim"
	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// WeakenedEvidence keeps a change from excusing itself unseen.
var WeakenedEvidence = add(rule.Rule{
	ID:       "WH903",
	Name:     "weakened-evidence",
	Severity: rule.Warning,
	Policy:   rule.Policy{None: "it is about evidence, not about a write"},
	Doc: rule.Doc{
		Problem: "A change that is checked against a base says less than the base does of whose addresses are whose, or of what the proxy does with them.",
		Effect:  "The base's word counted: the change was judged as if it were still so. Findings may be there that vanish once it is applied.",
		Why:     "Moving off IPVS and removing a Node are wanted, and a manifest that says so is no proof that it is so: else a change could bring its own excuse together with what it takes.",
		Fix:     "If it is meant, apply this part first, take a new snapshot as base, and then check the rest. If it is not, remove the object from the change: what the cluster fills in (a Node's status, an EndpointSlice) need not stand in a manifest.",
		Since:   "0.2",
		Refs:    []string{"https://securitylab.github.com/resources/github-actions-preventing-pwn-requests/"},
	},
	On: rule.OnCluster,
	Check: func(p *rule.Pass) {
		for _, w := range p.Weakened {
			p.Report(weakenedFinding(w))
		}
	},
})

func weakenedFinding(w rule.Weakened) rule.Finding {
	is := cmp.Or(w.Is, "nothing")
	who := "the change"
	if !w.By.IsZero() {
		who = w.By.String()
	}
	was := w.Was
	if w.From != "" && w.From != w.By.String() {
		was += " (" + w.From + ")"
	}
	f := rule.Finding{
		Severity: rule.Warning,
		Title:    fmt.Sprintf("%s: %s is %s in the base and %s in the change; judged by the base's", who, w.What, was, is),
		Chain: explain.Chain{
			Cause: explain.Link{Text: fmt.Sprintf("the base says %s, the change says %s", was, is), Evidence: placed("base", w.Base, "change", w.Change)},
		},
	}
	if !w.By.IsZero() {
		at := w.Change
		at.Field = cmp.Or(at.Field, w.What)
		f.Claimants = rule.Claimants(rule.Intruder, claim.Claim{By: w.By, Owner: w.By, Kind: "evidence", Origin: at})
	}
	return f
}

// placed cites the two sides' files, where they have some.
func placed(base string, was snapshot.Origin, change string, is snapshot.Origin) []string {
	var out []string
	for _, side := range []struct {
		name string
		at   snapshot.Origin
	}{{base, was}, {change, is}} {
		if side.at.File != "" {
			out = append(out, fmt.Sprintf("%s: %s:%d %s", side.name, side.at.File, side.at.Line, side.at.Field))
		}
	}
	return out
}
