// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"

	"whohas/claim"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
)

// VIPInServiceCIDR is a clash that the apiserver will allocate one day.
var VIPInServiceCIDR = add(rule.Rule{
	ID:       "WH204",
	Name:     "vip-in-service-cidr",
	Severity: rule.Error,
	Policy:   rule.Policy{None: "ranges of ClusterIPs are objects, or flags of the apiserver: the webhook knows them"},
	Doc: rule.Doc{
		Problem: "An external or load-balancer address, a request, or a whole pool lies inside a ServiceCIDR.",
		Effect:  "The apiserver may allocate the same address to a Service as its ClusterIP at any time: then WH203. From outside, the address cannot be routed to without also routing ClusterIPs.",
		Why:     "The allocator looks at its own register only. A Service's own ClusterIP is in that, and is passed over.",
		Fix:     "Use an address outside the ServiceCIDRs.",
		Since:   "0.1",
		Refs:    []string{"https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/", "https://github.com/kubernetes/enhancements/issues/1880"},
	},
	After:   []*rule.Rule{VIPIsClusterIP},
	Subject: claim.VIP | claim.Request | claim.Pool,
	Against: claim.ServiceRange,
	Check: func(p *rule.Pass) {
		subjects := slices.DeleteFunc(pick.WithoutGateways(p.Subjects()), func(c claim.Claim) bool { return ownClusterIP(p, c) })
		intruders, owners := pick.Against(subjects, pick.Covering(p, p.Others(claim.ServiceRange)))
		if len(owners) == 0 {
			return
		}
		p.Report(rule.Finding{
			Severity:  rule.Error,
			Title:     fmt.Sprintf("%s of %s lies in the ServiceCIDR %s", p.Key.Range, pick.Names(intruders), owners[0].Range),
			Claimants: append(rule.Claimants(rule.Intruder, intruders...), rule.Claimants(rule.Owner, owners...)...),
			Chain: chain.SimpleChain(fmt.Sprintf("%s claims %s; ClusterIPs come from %s (%s)", pick.Names(intruders), p.Key.Range, owners[0].Range, pick.Names(owners)),
				"the apiserver may give the address to another Service as ClusterIP at any time", intruders,
				fix.RemoveAll(p, "take the claim away", intruders)),
		})
	},
})

// ownClusterIP reports whether a Service claims what the apiserver has allocated to it:
// nobody else gets that as long as the Service is there.
func ownClusterIP(p *rule.Pass, c claim.Claim) bool {
	return p.Any(func(o *claim.Claim) bool {
		return o.Role&claim.ClusterIP != 0 && o.Range == c.Range && o.By == c.By
	})
}
