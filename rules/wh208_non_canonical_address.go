// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"strings"

	"whohas/claim"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/snapshot"
)

// NonCanonicalAddress is one address under two names.
var NonCanonicalAddress = add(rule.Rule{
	ID:       "WH208",
	Name:     "non-canonical-address",
	Severity: rule.Error,
	Policy:   rule.Policy{Refuses: rule.RefusesForm},
	Doc: rule.Doc{
		Problem: "An address is written in another form than the usual one: leading zeros, IPv4-mapped IPv6, a zone, upper case; or the text is no address at all.",
		Effect:  "Programs read leading zeros in two ways (decimal or octal), and tools that compare texts do not see that two forms are one address: allow-lists and policies are passed by.",
		Why:     "The apiserver took such forms for years; StrictIPCIDRValidation (1.36 beta) refuses new ones and leaves old ones where they are.",
		Fix:     "Write the address as the finding gives it.",
		Since:   "0.1",
		Refs:    []string{"https://github.com/kubernetes/enhancements/issues/4858", "https://github.com/kubernetes/kubernetes/issues/100895"},
	},
	On:      rule.OnObject,
	Subject: claim.VIP | claim.Request | claim.Pool,
	Check: func(p *rule.Pass) {
		claims := p.Others(p.Rule.Subject)
		filled := placeholders(claims)
		for _, c := range claims {
			if !snapshot.Unresolved(c.Text) && (c.Range.IsValid() || !filled[c.Origin]) {
				checkForm(p, c)
			}
		}
	},
})

func checkForm(p *rule.Pass, c claim.Claim) {
	f := rule.Finding{Severity: rule.Warning, Range: c.Range, Claimants: rule.Claimants(rule.Intruder, c)}
	switch {
	case !c.Range.IsValid():
		f.Severity = rule.Error
		f.Title = fmt.Sprintf("%q in %s of %s is no address", c.Text, c.Origin.Field, c.By)
		f.Chain = chain.SimpleChain(f.Title, "what a controller or kube-proxy makes of it is not known", nil)
	case c.Range.IsSingle() && !strings.Contains(c.Text, "/") && !strings.Contains(c.Text, "-") && c.Text != c.Range.String():
		if meetsOthers(p, c) {
			f.Severity = rule.Error
		}
		f.Title = fmt.Sprintf("%q in %s of %s is %s in another form", c.Text, c.Origin.Field, c.By, c.Range)
		f.Chain = chain.SimpleChain(f.Title, "tools that compare texts, allow-lists among them, do not see that it is the same address", nil)
	default:
		return
	}
	p.Report(f)
}

// placeholders are the fields of which a part is filled in later: one that holds a
// comma looks like a list of several texts.
func placeholders(claims []claim.Claim) map[snapshot.Origin]bool {
	fields := map[snapshot.Origin]bool{}
	for _, c := range claims {
		if snapshot.Unresolved(c.Text) {
			fields[c.Origin] = true
		}
	}
	return fields
}

// meetsOthers reports whether the canonical form is another rule's matter: somebody
// else claims it, or nobody can have it. Services' addresses lie in pools as they
// should.
func meetsOthers(p *rule.Pass, c claim.Claim) bool {
	roles := claim.Host | claim.ControlPlane | claim.Tunnel | claim.Reserved | claim.ClusterIP | claim.PodIP | claim.ServiceRange | claim.PodRange
	if c.Role != claim.Pool {
		roles |= claim.VIP | claim.Request
	}
	for o := range p.View.OverlappingIn(c.Range, roles) {
		if !claim.SameOwner(o, c) {
			return true
		}
	}
	return p.Facts.UnusableAs(c.Range.From) != ""
}
