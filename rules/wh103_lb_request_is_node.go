// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/cluster"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/proxy"
)

// LBRequestIsNode is a takeover that waits for a controller to grant it.
var LBRequestIsNode = add(rule.Rule{
	ID:       "WH103",
	Name:     "lb-request-is-node",
	Severity: rule.Critical,
	Policy:   rule.Policy{Refuses: rule.RefusesRequest},
	Doc: rule.Doc{
		Problem: "A Service asks its load-balancer controller for an address that belongs to a node (spec.loadBalancerIP or a controller's annotation).",
		Effect:  "If the controller grants it, the address goes into the status, and WH102 follows: in IPVS mode every other node loses that node. If the controller refuses, the Service stays without an address.",
		Why:     "Controllers check requests against their pools, not against the nodes' addresses.",
		Fix:     "Ask for an address that nobody has (whohas who --free CIDR), or for none.",
		Since:   "0.1",
		Refs:    []string{"https://github.com/metallb/metallb/issues/364", "https://github.com/k3s-io/k3s/issues/5000"},
	},
	Needs:   []rule.Need{{Kind: cluster.NodeKind, For: "the nodes' addresses"}, {Kind: cluster.ServiceKind, For: "requests"}},
	After:   []*rule.Rule{LBIPIsNode},
	Subject: claim.Request,
	Against: claim.Host,
	Check: func(p *rule.Pass) {
		intruders := pick.WithoutGateways(p.Subjects())
		owners := pick.Foreign(intruders, p.Others(claim.Host))
		if len(intruders) == 0 || len(owners) == 0 {
			return
		}
		p.Report(rule.Finding{
			Severity:  proxy.ModeSeverity(p.Facts),
			Title:     fmt.Sprintf("%s belongs to %s %s, and %s asks for it as load-balancer address", p.Key.Range, pick.NodeOrHost(p, owners), pick.HostOf(owners), pick.Names(intruders)),
			Claimants: append(rule.Claimants(rule.Intruder, intruders...), rule.Claimants(rule.Owner, owners...)...),
			Chain: chain.Requested(p, intruders, "the node",
				fmt.Sprintf("%s asks for %s, but it is %s's own", pick.Names(intruders), p.Key.Range, pick.HostOf(owners))),
		})
	},
})
