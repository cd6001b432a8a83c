// SPDX-License-Identifier: Apache-2.0

// Package proxy says what a claim comes to under the proxy that a cluster has: whether whole
// addresses are bound, whether nothing happens at all, how severe that is.
package proxy

import (
	"whohas/claim"
	"whohas/claimants"
	"whohas/rule"
)

// ByKubeProxy keeps what kube-proxy itself programs.
func ByKubeProxy(claims []claim.Claim) []claim.Claim {
	return claim.Select(claims, func(c *claim.Claim) bool { return c.Agent != claimants.AgentOtherProxy })
}

// Inert gives the severity of claims of which kube-proxy makes nothing: external
// addresses while its gate is off, and Services that are left to another proxy,
// of which nothing is known. ok is false if it acts on one of the claims.
func Inert(p *rule.Pass, claims []claim.Claim) (s rule.Severity, ok bool) {
	for _, c := range claims {
		switch {
		case p.Facts.ExternalIPsOff && c.Kind == claimants.ServiceExternalIP.Kind:
		case c.Role == claim.VIP && c.Agent == claimants.AgentOtherProxy:
			s = rule.Warning
		default:
			return 0, false
		}
	}
	return s, true
}

// Binds reports whether the proxy takes whole addresses: kube-proxy up to 1.10 does
// not, in ipvs mode either.
func Binds(f *rule.Facts) bool { return f.Behavior().Binds }

// SingleNode lowers a severity where there is no other node to suffer.
func SingleNode(p *rule.Pass, s rule.Severity) rule.Severity {
	if p.Facts.SingleNode() {
		return s.Lower()
	}
	return s
}

// ModeSeverity is critical under a proxy that takes whole addresses, an error
// under the others.
func ModeSeverity(f *rule.Facts) rule.Severity {
	if Binds(f) {
		return rule.Critical
	}
	return rule.Error
}
