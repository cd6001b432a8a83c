// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/pick"
)

// PoolOverlap is two allocators with one stock.
var PoolOverlap = add(rule.Rule{
	ID:       "WH301",
	Name:     "pool-overlap",
	Severity: rule.Error,
	Policy:   rule.Policy{None: "a pool is no Service: the webhook asks about it"},
	Doc: rule.Doc{
		Problem: "Two pools of load-balancer addresses share addresses, of one controller or of two.",
		Effect:  "Two controllers give the same address to two Services: both announce it. One controller that finds overlapping pools rejects its configuration, and stops allocating.",
		Why:     "Each allocator keeps its own book; none looks into another's.",
		Fix:     "Take the shared part out of one of the pools.",
		Since:   "0.1",
		Refs:    []string{"https://github.com/metallb/metallb/issues/2396", "https://docs.cilium.io/en/stable/network/lb-ipam/"},
	},
	On:      rule.OnOverlap,
	Subject: claim.Pool,
	Against: claim.Pool,
	Check: func(p *rule.Pass) {
		pools := conflicting(p.Others(claim.Pool))
		if owners(pools) < 2 {
			return
		}
		f := rule.Finding{Severity: rule.Error, Claimants: rule.Claimants(rule.Rival, pools...)}
		if len(pools) == 2 {
			f.Title = fmt.Sprintf("%s is in two pools: %s of %s and %s of %s", p.Key.Range, pools[0].Text, pools[0].By, pools[1].Text, pools[1].By)
		} else {
			f.Title = fmt.Sprintf("%d pools lie over each other in %s: %s", owners(pools), p.Key.Range, pick.Names(pools))
		}
		f.Chain = chain.SimpleChain(fmt.Sprintf("%s both hand out %s", pick.Names(pools), p.Key.Range),
			"one address can go to two Services, or the controller rejects the pools", pools)
		if len(pools) > 2 {
			f.Chain.Cause.Text = fmt.Sprintf("%s hand out addresses of %s, each some that others hand out too", pick.Names(pools), p.Key.Range)
		}
		p.Report(f)
	},
})

// conflicting leaves out a MetalLB's old ConfigMap beside the IPAddressPools that were
// made from it: since 0.13 nobody reads the ConfigMap. It stays where it is in conflict
// with anybody else, or with another ConfigMap.
func conflicting(pools []claim.Claim) []claim.Claim {
	const old, made = "metallb.config.pool", "metallb.pool"
	before, after, others := pick.OfKind(pools, old), pick.OfKind(pools, made), 0
	if others = len(pools) - len(before) - len(after); others > 0 {
		return pools
	}
	var out []claim.Claim
	for _, side := range [][]claim.Claim{before, after} {
		if owners(side) > 1 {
			out = append(out, side...)
		}
	}
	return out
}
