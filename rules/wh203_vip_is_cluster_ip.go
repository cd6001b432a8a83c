// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/cluster"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
)

// VIPIsClusterIP takes a Service's inner address away from it.
var VIPIsClusterIP = add(rule.Rule{
	ID:       "WH203",
	Name:     "vip-is-cluster-ip",
	Severity: rule.Critical,
	Policy:   rule.Policy{None: "it takes two objects, of which an admission policy sees one"},
	Doc: rule.Doc{
		Problem: "An external or load-balancer address, or a request for one, is another Service's ClusterIP.",
		Effect:  "Traffic of the whole cluster to that ClusterIP and port goes to the intruder: with 10.96.0.1 or the cluster's DNS, everything in the cluster is affected.",
		Why:     "The apiserver allocates ClusterIPs from its own register; external addresses are not in it and not compared with it (KEP-1880 covers ClusterIPs only).",
		Fix:     "Give the Service an address outside the ServiceCIDR.",
		Since:   "0.1",
		Refs:    []string{"https://github.com/kubernetes/kubernetes/issues/97076", "https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/"},
	},
	Needs:   []rule.Need{{Kind: cluster.ServiceKind, For: "ClusterIPs"}},
	Subject: claim.VIP | claim.Request,
	Against: claim.ClusterIP,
	Check: func(p *rule.Pass) {
		intruders, owners := pick.Against(pick.WithoutGateways(p.Subjects()), p.Others(claim.ClusterIP))
		if len(owners) == 0 {
			return
		}
		p.Report(rule.Finding{
			Severity:  rule.Critical,
			Title:     fmt.Sprintf("%s is the ClusterIP of %s, and %s claims it", p.Key.Range, pick.Names(owners), pick.Names(intruders)),
			Claimants: append(rule.Claimants(rule.Intruder, intruders...), rule.Claimants(rule.Owner, owners...)...),
			Chain: chain.SimpleChain(fmt.Sprintf("%s claims %s, which the apiserver allocated to %s", pick.Names(intruders), p.Key.Range, pick.Names(owners)),
				"in every proxy mode the two are one frontend where their ports meet; in IPVS mode the other ports of the ClusterIP stay as they are", intruders,
				fix.RemoveAll(p, "take the claim away", intruders)),
		})
	},
})
