// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"strings"

	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// NotRead keeps "no finding" from meaning "no data".
var NotRead = add(rule.Rule{
	ID:       "WH901",
	Name:     "not-read",
	Severity: rule.Warning,
	Policy:   rule.Policy{None: "it is about what was read, not about a write"},
	Doc: rule.Doc{
		Problem: "Something that rules need could not be read: a kind of object that may not be listed, a file that is broken or missing.",
		Effect:  "The rules that need it did not run, or saw only a part, so the absence of findings proves nothing.",
		Why:     "A check that is silent about what it did not see is worse than none.",
		Fix:     "Give the account the permission to list the kind, or mend the file. whohas check --require nodes,proxy-mode turns what is missing into exit status 2.",
		Since:   "0.1",
		Refs:    []string{"https://kubernetes.io/docs/reference/access-authn-authz/rbac/"},
	},
	On: rule.OnCluster,
	Check: func(p *rule.Pass) {
		more := map[string]int{} // a broken file may have a thousand faults: one finding
		var first []snapshot.Coverage
		for _, c := range p.Coverage {
			if !unread(c) {
				continue
			}
			if more[c.Source]++; more[c.Source] == 1 {
				first = append(first, c)
			}
		}
		for _, c := range first {
			reportUnread(p, c, more[c.Source]-1)
		}
		for _, d := range p.Inconclusive {
			p.Report(rule.Finding{Severity: rule.Warning, Title: fmt.Sprintf("%s could not tell: it needs %s", d.Rule.ID, d.Need)})
		}
	},
})

func unread(c snapshot.Coverage) bool {
	return c.Failed || c.Status == snapshot.StatusDenied || c.Status == snapshot.StatusPartial
}

func reportUnread(p *rule.Pass, c snapshot.Coverage, more int) {
	place := c.Source
	if c.Line > 0 {
		place = fmt.Sprintf("%s:%d", c.Source, c.Line)
	}
	title := fmt.Sprintf("%s: %s", place, c.Status)
	if c.Detail != "" {
		title += " (" + c.Detail + ")"
	}
	if more > 0 {
		title += fmt.Sprintf(", and %d more places there", more)
	}
	effect := "what stands there is not in this report"
	if idle := needing(p.Rules, c.Source); len(idle) > 0 {
		effect = "not run, or on a part only: " + strings.Join(idle, ", ")
		title += "; " + effect
	}
	p.Report(rule.Finding{
		Severity: rule.Warning, Title: title,
		Chain: explain.Chain{Impacts: []explain.Impact{{Text: effect, Certainty: explain.Observed, Evidence: []string{"coverage: " + place}}}},
	})
}

// needing lists the rules that cannot do without a kind.
func needing(rules []*rule.Rule, source string) []string {
	var ids []string
	for _, r := range rules {
		for _, n := range r.Needs {
			if n.Kind.Source() == source {
				ids = append(ids, r.ID)
				break
			}
		}
	}
	return ids
}
