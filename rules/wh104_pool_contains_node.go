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
	"whohas/rules/internal/proxy"
)

// PoolContainsNode is a takeover that happens on the day the pool gets there.
var PoolContainsNode = add(rule.Rule{
	ID:       "WH104",
	Name:     "pool-contains-node",
	Severity: rule.Critical,
	Policy:   rule.Policy{None: "a pool is no Service: the webhook asks about it"},
	Doc: rule.Doc{
		Problem: "A pool of load-balancer addresses contains the address of a node.",
		Effect:  "Some day a Service gets the node's address. An L2 announcer then answers ARP for it, and in IPVS mode every other node loses the node (WH102). Where the pool hands addresses out by itself, that day is only a matter of how many Services come.",
		Why:     "Controllers do not compare pools with nodes: MetalLB tried and took it back, because it compared covering CIDRs. Ranges are compared exactly here: 192.168.1.2-192.168.1.3 does not contain 192.168.1.1.",
		Fix:     "Take the node's address out of the pool; the finding gives the smallest edit of the range.",
		Since:   "0.1",
		Refs:    []string{"https://github.com/metallb/metallb/issues/364", "https://github.com/metallb/metallb/issues/2779", "https://github.com/metallb/metallb/issues/2700"},
	},
	Needs:   []rule.Need{{Kind: cluster.NodeKind, For: "the nodes' addresses"}},
	Subject: claim.Pool,
	Against: claim.Host,
	Check: func(p *rule.Pass) {
		pools := p.Subjects()
		owners := pick.Foreign(pools, p.Others(claim.Host))
		if len(pools) == 0 || len(owners) == 0 {
			return
		}
		inside := pick.InsideAddrs(owners)
		addresses := pick.PlainAddrs(inside)
		p.Report(rule.Finding{
			Severity:  poolSeverity(p, pools),
			Title:     fmt.Sprintf("%s of %s contains %s of node %s", pools[0].Text, pick.Names(pools), addresses, pick.NodeNames(owners)),
			Claimants: append(rule.Claimants(rule.Intruder, pools...), rule.Claimants(rule.Owner, owners...)...),
			Chain: chain.SimpleChain(fmt.Sprintf("%s may hand out %s, which is in use by %s", pick.Names(pools), addresses, pick.NodeNames(owners)),
				"a Service that gets the address takes it from the node (WH102 tells what breaks then)", pools, fix.PoolsEdit(p, pools, pick.RangesIn(owners))),
		})
	},
})

func poolSeverity(p *rule.Pass, pools []claim.Claim) rule.Severity {
	severity := rule.Error
	for _, pool := range pools {
		if fix.AutoAssigned(p, pool) && !onRequest(p, pool) && (proxy.Binds(p.Facts) || p.Facts.AnnouncedByL2(pool.Agent, pool.By)) {
			severity = rule.Critical
		}
	}
	return proxy.SingleNode(p, severity)
}

// onRequest reports whether a pool of Calico, or an entry of MetalLB's ConfigMap,
// gives addresses only to those who ask for them.
func onRequest(p *rule.Pass, pool claim.Claim) bool {
	o := p.Object(pool.By)
	if o == nil {
		return false
	}
	for entry := range o.Field("data", "config", "address-pools").Items() {
		for a := range entry.Get("addresses").Items() {
			if a.Path == pool.Origin.Field {
				return entry.Get("auto-assign").Text() == "false"
			}
		}
	}
	return o.Field("spec", "assignmentMode").Text() == "Manual"
}
