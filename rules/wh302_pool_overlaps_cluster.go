// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"

	"whohas/claim"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/pick"
)

// PoolOverlapsCluster is a pool that reaches into the cluster's own ranges.
var PoolOverlapsCluster = add(rule.Rule{
	ID:       "WH302",
	Name:     "pool-overlaps-cluster",
	Severity: rule.Error,
	Policy:   rule.Policy{None: "a pool is no Service: the webhook asks about it"},
	Doc: rule.Doc{
		Problem: "A pool of load-balancer addresses overlaps a ServiceCIDR or a range of Pod addresses in part, or holds a whole subnet of the nodes.",
		Effect:  "Part of what it hands out is a ClusterIP's or a Pod's place, or a host's: nodes, gateway, network and broadcast address included.",
		Why:     "Ranges are typed by hand, in three different objects; nobody compares them. (A pool that lies wholly inside such a range is WH204 or WH205.)",
		Fix:     "Move or shrink the pool so that it shares nothing with the cluster's ranges.",
		Since:   "0.1",
		Refs:    []string{"https://github.com/metallb/metallb/issues/364", "https://github.com/projectcalico/calico/issues/1401"},
	},
	After:   []*rule.Rule{VIPInServiceCIDR, VIPInPodCIDR},
	Subject: claim.Pool,
	Against: claim.Pool | claim.ServiceRange | claim.PodRange,
	Check: func(p *rule.Pass) {
		pools := p.Subjects()
		for _, role := range []claim.Role{claim.ServiceRange, claim.PodRange} {
			intruders, owners := pick.Against(pools, notCovering(p, p.Others(role)))
			if len(owners) > 0 {
				reportPoolOverlap(p, intruders, owners, sharedPart(p, owners), fmt.Sprintf("%s of %s", rangesOf(owners), pick.Names(owners)))
			}
		}
		for _, s := range p.Facts.Subnets {
			if subnet := claim.PrefixRange(s); len(pools) > 0 && p.Key.Range.Covers(subnet) {
				reportPoolOverlap(p, pools, nil, subnet, fmt.Sprintf("the nodes' whole subnet %s", s))
			}
		}
	},
})

// notCovering keeps the ranges that share a part of the key only.
func notCovering(p *rule.Pass, ranges []claim.Claim) []claim.Claim {
	return slices.DeleteFunc(ranges, func(r claim.Claim) bool { return r.Range.Covers(p.Key.Range) })
}

// sharedPart is what of the key belongs to the ranges: one part of it, or, where
// they are several, the key. All of them are one finding: else a large cluster
// would have one for each node.
func sharedPart(p *rule.Pass, ranges []claim.Claim) claim.Range {
	shared := p.Key.Range.Intersect(ranges[0].Range)
	for _, r := range ranges {
		if !shared.Covers(p.Key.Range.Intersect(r.Range)) {
			return p.Key.Range
		}
	}
	return shared
}

// rangesOf lists ranges for a sentence, each once.
func rangesOf(claims []claim.Claim) string {
	var texts []string
	seen := map[claim.Range]bool{}
	for _, c := range claims {
		if !seen[c.Range] {
			seen[c.Range] = true
			texts = append(texts, c.Range.String())
		}
	}
	return explain.Names(texts)
}

func reportPoolOverlap(p *rule.Pass, pools, owners []claim.Claim, shared claim.Range, what string) {
	p.Report(rule.Finding{
		Severity: rule.Error, Range: shared,
		Title:     fmt.Sprintf("%s of %s overlaps %s", pools[0].Text, pick.Names(pools), what),
		Claimants: append(rule.Claimants(rule.Intruder, pools...), rule.Claimants(rule.Owner, owners...)...),
		Chain: chain.SimpleChain(fmt.Sprintf("%s hands out %s, which belongs to %s", pick.Names(pools), shared, what),
			"a Service that gets one of these addresses takes it from its place", pools),
	})
}
