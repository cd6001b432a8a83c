// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"

	"whohas/check"
	"whohas/rule"
)

// permit takes out the findings that the object's own annotation excuses, and keeps
// the books. A permission that counts excuses its object, whoever else is in the
// conflict: who may override answers for what the request brings, not for them; the
// whole check goes on to report the others.
func (d *Decision) permit(c *change, r Request, findings []rule.Finding) []rule.Finding {
	if len(findings) == 0 {
		return nil
	}
	shown := c.shown(findings, r.Now)
	for i, a := range check.SuppressionsOf(c.is) {
		if i == mostAllows {
			break
		}
		speaksOf := func(f rule.Finding) bool { return a.Matches(&f) }
		grave := slices.DeleteFunc(slices.Clone(shown), func(f rule.Finding) bool { return f.Severity < refused || a.Rule != "" && !speaksOf(f) })
		why, unpermitted := a.Fault(r.Now), false
		if why == "" && !r.MayOverride {
			why, unpermitted = "counts only with the permission "+Permission, true
		}
		switch {
		case why == "":
			findings = slices.DeleteFunc(slices.Clone(findings), speaksOf)
			for _, f := range grave {
				d.excuse(f, a)
			}
		case len(grave) > 0:
			d.ignore(Ignored{a, why, unpermitted})
		}
	}
	return findings
}

// mostAllows bounds the permissions of one object that are looked at, its first ones.
const mostAllows = 100

// Permission is what lets an annotation count: a verb on a resource of RBAC.
const Permission = "override on claims.whohas.io"

func (d *Decision) excuse(f rule.Finding, by rule.Suppression) {
	d.Excused = append(d.Excused, check.Suppressed{Finding: f, By: by})
}

func (d *Decision) ignore(i Ignored) {
	if !slices.Contains(d.Ignored, i) {
		d.Ignored = append(d.Ignored, i)
	}
}
