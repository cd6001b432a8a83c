// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"net/netip"

	"whohas/claim"
	"whohas/claimants"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
)

// UnusableAddress is an address that no Service can have.
var UnusableAddress = add(rule.Rule{
	ID:       "WH206",
	Name:     "unusable-address",
	Severity: rule.Error,
	Policy:   rule.Policy{None: "the apiserver refuses most of these itself"},
	Doc: rule.Doc{
		Problem: "A Service claims a loopback, link-local, multicast, unspecified or broadcast address, or the network or broadcast address of a node's subnet, in a field that the apiserver does not check.",
		Effect:  "The address cannot be reached from other hosts. In IPVS mode a node that binds a subnet's network or broadcast address loses that meaning of it.",
		Why:     "The apiserver checks externalIPs for loopback, link-local and unspecified addresses; it does not check the status, requests and annotations, and it knows no subnets.",
		Fix:     "Use a unicast address. (0.0.0.0 asks kube-vip for one by DHCP and is no finding.)",
		Since:   "0.1",
		Refs:    []string{"https://kube-vip.io/docs/usage/kubernetes-services/", "https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/apis/core/validation/validation.go"},
	},
	Subject: claim.VIP | claim.Request,
	Against: claim.VIP | claim.Request,
	Check: func(p *rule.Pass) {
		ip, ok := pick.Single(p)
		if !ok {
			return
		}
		why := p.Facts.UnusableAs(ip)
		claims := unchecked(ip, pick.WithoutGateways(p.Subjects()))
		if why == "" || len(claims) == 0 {
			return
		}
		p.Report(rule.Finding{
			Severity:  rule.Error,
			Title:     fmt.Sprintf("%s, claimed by %s, is %s", ip, pick.Names(claims), why),
			Claimants: rule.Claimants(rule.Intruder, claims...),
			Chain: chain.SimpleChain(fmt.Sprintf("%s claims %s, which is %s", pick.Names(claims), ip, why), "no other host can reach the Service there", claims,
				fix.RemoveAll(p, "take the claim away", claims)),
		})
	},
})

// unchecked leaves out what the apiserver would refuse itself
// (pkg/apis/core/validation ValidateNonSpecialIP on externalIPs).
func unchecked(ip netip.Addr, claims []claim.Claim) []claim.Claim {
	refused := ip.IsUnspecified() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast()
	var out []claim.Claim
	for _, c := range claims {
		if refused && c.Kind == claimants.ServiceExternalIP.Kind {
			continue
		}
		out = append(out, c)
	}
	return out
}
