// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"

	"whohas/claim"
	"whohas/cluster"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
)

// VIPInPodCIDR is a clash with Pods that are, or that will come.
var VIPInPodCIDR = add(rule.Rule{
	ID:       "WH205",
	Name:     "vip-in-pod-cidr",
	Severity: rule.Critical,
	Policy:   rule.Policy{None: "which range is whose Pods the webhook knows"},
	Doc: rule.Doc{
		Problem: "An external or load-balancer address, a request, or a whole pool lies in a range of Pod addresses; worse, a running Pod has it.",
		Effect:  "The network plugin may give the address to a Pod at any time, or has: traffic to that Pod then goes to the Service, and in IPVS mode every node takes the Pod's address for its own.",
		Why:     "The plugin's allocator does not know the Services' addresses.",
		Fix:     "Use an address outside the Pods' ranges.",
		Since:   "0.1",
		Refs:    []string{"https://docs.tigera.io/calico/latest/networking/ipam/service-loadbalancer", "https://github.com/projectcalico/calico/issues/962"},
	},
	Needs:   []rule.Need{{Kind: cluster.NodeKind, For: "the nodes' Pod ranges"}},
	After:   []*rule.Rule{ClaimsTunnelAddress},
	Subject: claim.VIP | claim.Request | claim.Pool,
	Against: claim.PodRange | claim.PodIP,
	Check: func(p *rule.Pass) {
		intruders, owners := pick.Against(pick.WithoutGateways(p.Subjects()),
			slices.Concat(p.Others(claim.PodIP), pick.Covering(p, p.Others(claim.PodRange))))
		if len(owners) == 0 {
			return
		}
		pods := pick.InRole(owners, claim.PodIP)
		f := rule.Finding{Severity: rule.Error, Title: fmt.Sprintf("%s of %s lies in a range of Pod addresses (%s)", p.Key.Range, pick.Names(intruders), owners[0].Range)}
		effect := "the network plugin may give the address to a Pod at any time"
		if len(pods) > 0 {
			f.Severity = rule.Critical
			f.Title = fmt.Sprintf("%s is in use by %s, and %s claims it", pick.WhichAddress(p, pods), pick.Names(pods), pick.Names(intruders))
			effect = "traffic to the Pod goes to the Service's endpoints where the ports meet; in IPVS mode the Pod loses all of it on every other node"
		}
		f.Claimants = append(rule.Claimants(rule.Intruder, intruders...), rule.Claimants(rule.Owner, owners...)...)
		f.Chain = chain.SimpleChain(fmt.Sprintf("%s claims %s, where Pods get their addresses (%s)", pick.Names(intruders), p.Key.Range, pick.Names(owners)), effect, intruders,
			fix.RemoveAll(p, "take the claim away", intruders))
		p.Report(f)
	},
})
