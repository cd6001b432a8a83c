// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/rule"
	"whohas/snapshot"
)

// NonCanonicalAddress is one address under two names.
var NonCanonicalAddress = add(rule.Rule{
	ID:       "WH208",
	Name:     "non-canonical-address",
	Severity: rule.Error,
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
		for _, c := range p.Others(p.Rule.Subject) {
			checkForm(p, c)
		}
	},
})

func checkForm(p *rule.Pass, c claim.Claim) {
	if snapshot.Unresolved(c.Text) || !c.Range.IsValid() && besidePlaceholder(p, c) {
		return
	}
	f := rule.Finding{Severity: rule.Warning, Range: c.Range, Claimants: rule.Claimants(rule.Intruder, c)}
	switch {
	case !c.Range.IsValid():
		f.Severity = rule.Error
		f.Title = fmt.Sprintf("%q in %s of %s is no address", c.Text, c.Origin.Field, c.By)
		f.Chain = simpleChain(f.Title, "what a controller or kube-proxy makes of it is not known", nil)
	case c.Range.IsSingle() && !strings.Contains(c.Text, "/") && !strings.Contains(c.Text, "-") && c.Text != c.Range.String():
		if meetsOthers(p, c) {
			f.Severity = rule.Error
		}
		f.Title = fmt.Sprintf("%q in %s of %s is %s in another form", c.Text, c.Origin.Field, c.By, c.Range)
		f.Chain = simpleChain(f.Title, "tools that compare texts, allow-lists among them, do not see that it is the same address", nil)
	default:
		return
	}
	p.Report(f)
}

// besidePlaceholder tells whether another part of the same field is filled in
// later: a placeholder that holds a comma looks like a list of several texts.
func besidePlaceholder(p *rule.Pass, c claim.Claim) bool {
	return slices.ContainsFunc(p.Others(p.Rule.Subject), func(o claim.Claim) bool {
		return o.Origin == c.Origin && snapshot.Unresolved(o.Text)
	})
}

// meetsOthers tells whether the canonical form is another rule's matter: somebody
// else claims it, or nobody can have it. Services' addresses lie in pools as they
// should.
func meetsOthers(p *rule.Pass, c claim.Claim) bool {
	roles := claim.Host | claim.ControlPlane | claim.Tunnel | claim.Reserved | claim.ClusterIP | claim.PodIP | claim.ServiceRange | claim.PodRange
	if c.Role != claim.Pool {
		roles |= claim.VIP | claim.Request
	}
	for o := range p.View.On(c.Range.From) {
		if o.Role&roles != 0 && !claim.SameOwner(o, c) {
			return true
		}
	}
	return unusable(c.Range.From, p.Facts) != ""
}
