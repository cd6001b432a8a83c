// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/proxy"
	"whohas/rules/internal/theft"
)

// LBIPIsNode is the same outage without any externalIPs: through the status.
var LBIPIsNode = add(rule.Rule{
	ID:       "WH102",
	Name:     "lb-ip-is-node",
	Severity: rule.Critical,
	Outage:   rule.Claimed,
	Policy:   rule.Policy{Refuses: rule.RefusesIngress},
	Doc: rule.Doc{
		Problem: "A Service's status.loadBalancer.ingress names an address that belongs to a node, with ipMode VIP or none.",
		Effect: "In IPVS mode kube-proxy binds load-balancer addresses like external ones: every other node talks to itself instead of that node. " +
			"In the other modes only the Service's port is taken, which is what the load balancers that publish node addresses (k3s ServiceLB, Cilium node IPAM, OpenELB node-proxy) want.",
		Why:   "kube-proxy trusts the status. A controller that publishes node addresses was made for modes that match address and port; anybody who may write services/status can do the same by hand (CVE-2020-8554).",
		Fix:   "Do not run such a controller with kube-proxy in IPVS mode: change the proxy mode, or give the Service an address from a pool. Where no controller wrote it, remove the entry from the status.",
		Since: "kube-proxy 1.11 (IPVS)",
		Refs: []string{
			"https://github.com/k3s-io/k3s/issues/2804",
			"https://github.com/k3s-io/k3s/issues/5000",
			"https://github.com/kubernetes/kubernetes/issues/97076",
		},
	},
	Needs:   []rule.Need{{Kind: cluster.NodeKind, For: "the nodes' addresses"}, {Kind: cluster.ServiceKind, For: "load-balancer addresses"}},
	Subject: claim.VIP,
	Against: claim.Host,
	Check: func(p *rule.Pass) {
		intruders := pick.OfKind(p.Subjects(), claimants.ServiceIngress.Kind)
		owners := pick.Foreign(intruders, p.Others(claim.Host))
		if len(intruders) == 0 || len(owners) == 0 {
			return
		}
		t := chain.Target(p, proxy.ByKubeProxy(intruders), "the node")
		chain := chain.VipChain(p, intruders, t, fmt.Sprintf("the status of %s publishes %s, but it is %s's own", pick.Names(intruders), t.Address, pick.HostOf(owners)))
		if proxy.Binds(p.Facts) && nodeLoadBalancer(p, intruders) {
			chain.Notes = append(chain.Notes, explain.Link{
				Text: "a controller that publishes nodes' addresses on purpose writes the status again: run kube-proxy in another mode, or give the Service to a controller with a pool",
			})
		}
		p.Report(rule.Finding{
			Severity:  ingressSeverity(p, intruders, t.Owner),
			Title:     fmt.Sprintf("%s belongs to %s %s, and %s publishes it as load-balancer address", t.Address, pick.NodeOrHost(p, owners), pick.HostOf(owners), pick.Names(intruders)),
			Claimants: theft.Takers(p, intruders, owners),
			Chain:     fix.RequestsFirst(p, intruders, chain),
		})
	},
})

func ingressSeverity(p *rule.Pass, intruders []claim.Claim, node cluster.Node) rule.Severity {
	s, ok := proxy.Inert(p, intruders)
	switch {
	case ok && nodeLoadBalancer(p, intruders):
		return rule.Info
	case ok:
		return proxy.SingleNode(p, s)
	case proxy.Binds(p.Facts):
		return proxy.SingleNode(p, rule.Critical)
	case nodeLoadBalancer(p, intruders):
		return rule.Info
	case theft.TakenListener(p, proxy.ByKubeProxy(intruders), node):
		return proxy.SingleNode(p, rule.Critical)
	}
	return rule.Error
}

// nodeLoadBalancer reports whether controllers that publish node addresses on
// purpose wrote the status.
func nodeLoadBalancer(p *rule.Pass, intruders []claim.Claim) bool {
	for _, c := range intruders {
		switch c.Agent {
		case claimants.AgentCiliumNodeIPAM, claimants.AgentOpenELBNodeProxy:
			continue
		}
		if !serviceLB(p, c) {
			return false
		}
	}
	return true
}

// serviceLB reports whether k3s' ServiceLB (klipper-lb), where it runs, serves a
// Service: it serves those of no class, or of its own; where another controller
// allocated the address, that one left its mark.
func serviceLB(p *rule.Pass, c claim.Claim) bool {
	o := p.Object(c.By)
	if o == nil || !p.Facts.ServiceLB {
		return false
	}
	class := o.Field("spec", "loadBalancerClass").Text()
	return (class == "" || class == "io.cattle.serviceLB") &&
		!o.Annotation("metallb.io/ip-allocated-from-pool").OK() && !o.Annotation("metallb.universe.tf/ip-allocated-from-pool").OK()
}
