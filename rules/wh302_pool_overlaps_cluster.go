// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/rule"
)

// PoolOverlapsCluster is a pool that reaches into the cluster's own ranges.
var PoolOverlapsCluster = add(rule.Rule{
	ID:       "WH302",
	Name:     "pool-overlaps-cluster",
	Severity: rule.Error,
	Doc: rule.Doc{
		Problem: "A pool of load-balancer addresses overlaps a ServiceCIDR or a range of Pod addresses in part, or holds a whole subnet of the nodes.",
		Effect:  "Part of what it hands out is a ClusterIP's or a Pod's place, or a host's: nodes, gateway, network and broadcast address included.",
		Why:     "Ranges are typed by hand, in three different objects; nobody compares them. (A pool that lies wholly inside such a range is WH204 or WH205.)",
		Fix:     "Move or shrink the pool so that it shares nothing with the cluster's ranges.",
		Since:   "0.1",
		Refs:    []string{"https://github.com/metallb/metallb/issues/364", "https://github.com/projectcalico/calico/issues/1401"},
	},
	Subject: claim.Pool,
	Check: func(p *rule.Pass) {
		pools := p.Subjects()
		for _, r := range foreign(pools, p.Others(claim.ServiceRange|claim.PodRange)) {
			if r.Range.Covers(p.Key.Range) || len(pools) == 0 {
				continue
			}
			reportPoolOverlap(p, pools, []claim.Claim{r}, p.Key.Range.Intersect(r.Range), fmt.Sprintf("%s of %s", r.Range, r.By))
		}
		for _, s := range p.Facts.Subnets {
			if subnet := claim.PrefixRange(s); len(pools) > 0 && p.Key.Range.Covers(subnet) {
				reportPoolOverlap(p, pools, nil, subnet, fmt.Sprintf("the nodes' whole subnet %s", s))
			}
		}
	},
})

func reportPoolOverlap(p *rule.Pass, pools, owners []claim.Claim, shared claim.Range, what string) {
	p.Report(rule.Finding{
		Severity: rule.Error, Range: shared,
		Title:     fmt.Sprintf("%s of %s overlaps %s", pools[0].Text, names(pools), what),
		Claimants: append(rule.Claimants(rule.Intruder, pools...), rule.Claimants(rule.Owner, owners...)...),
		Chain: simpleChain(fmt.Sprintf("%s hands out %s, which belongs to %s", names(pools), shared, what),
			"a Service that gets one of these addresses takes it from its place", pools),
	})
}
