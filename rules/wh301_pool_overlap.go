// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/rule"
)

// PoolOverlap is two allocators with one stock.
var PoolOverlap = add(rule.Rule{
	ID:       "WH301",
	Name:     "pool-overlap",
	Severity: rule.Error,
	Doc: rule.Doc{
		Problem: "Two pools of load-balancer addresses share addresses, of one controller or of two.",
		Effect:  "Two controllers give the same address to two Services: both announce it. One controller that finds overlapping pools rejects its configuration, and stops allocating.",
		Why:     "Each allocator keeps its own book; none looks into another's.",
		Fix:     "Take the shared part out of one of the pools.",
		Since:   "0.1",
		Refs:    []string{"https://github.com/metallb/metallb/issues/2396", "https://docs.cilium.io/en/stable/network/lb-ipam/"},
	},
	Subject: claim.Pool,
	Against: claim.Pool,
	Check: func(p *rule.Pass) {
		for _, a := range p.Subjects() {
			for _, b := range p.Others(claim.Pool) {
				// Each pair is seen from both sides: the first in order speaks.
				if claim.SameOwner(a, b) || claim.Compare(a, b) >= 0 || leftover(a, b) {
					continue
				}
				shared := a.Range.Intersect(b.Range)
				p.Report(rule.Finding{
					Severity: rule.Error, Range: shared,
					Title:     fmt.Sprintf("%s is in two pools: %s of %s and %s of %s", shared, a.Text, a.By, b.Text, b.By),
					Claimants: rule.Claimants(rule.Rival, a, b),
					Chain: simpleChain(fmt.Sprintf("%s and %s both hand out %s", a.By, b.By, shared),
						"one address can go to two Services, or the controller rejects the pools", []claim.Claim{a, b}),
				})
			}
		}
	},
})

// leftover tells whether one of two pools is MetalLB's old ConfigMap beside the
// IPAddressPool that was made from it: since 0.13 nobody reads the ConfigMap.
func leftover(a, b claim.Claim) bool {
	const old = "metallb.config.pool"
	return a.Kind == old && b.Kind == "metallb.pool" || a.Kind == "metallb.pool" && b.Kind == old
}
