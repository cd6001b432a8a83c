// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/proxy"
	"whohas/rules/internal/theft"
)

// ExternalIPIsNode is the incident that the project was made for.
var ExternalIPIsNode = add(rule.Rule{
	ID:       "WH101",
	Name:     "external-ip-is-node",
	Severity: rule.Critical,
	Outage:   rule.Claimed,
	Policy:   rule.Policy{Refuses: rule.RefusesExternalIP},
	Doc: rule.Doc{
		Problem: "A Service's spec.externalIPs names an address that belongs to a node.",
		Effect: "In IPVS mode kube-proxy puts the address on " + kubeproxy.IPVSDevice + " of every other node. Each of them then talks to itself instead of that node, and drops what that node sends. " +
			"If it is the apiserver's address, the nodes become NotReady and kube-proxy no longer learns of the fix. In the other modes only the Service's own port and protocol are taken: bad if the node itself listens there, otherwise often intended.",
		Why:   "An externalIP must be an address that traffic from outside is routed to and that no node of the cluster owns. The apiserver does not check this, no mode of kube-proxy does, and DenyServiceExternalIPs is off by default.",
		Fix:   "Remove the address from spec.externalIPs. Use a type LoadBalancer Service with a pool, a NodePort, or an address that nobody has (whohas who --free CIDR).",
		Since: "kube-proxy 1.11 (IPVS binds external addresses since then)",
		Refs: []string{
			"https://github.com/kubernetes/kubernetes/issues/75290",
			"https://github.com/kubernetes/kubernetes/issues/104679",
			"https://github.com/kubernetes/kubernetes/issues/127410",
			"https://github.com/kubernetes/kubernetes/pull/115019",
		},
	},
	Needs:   []rule.Need{{Kind: cluster.NodeKind, For: "the nodes' addresses"}, {Kind: cluster.ServiceKind, For: "externalIPs"}},
	Subject: claim.VIP,
	Against: claim.Host,
	Check: func(p *rule.Pass) {
		intruders := pick.OfKind(p.Subjects(), claimants.ServiceExternalIP.Kind)
		owners := pick.Foreign(intruders, p.Others(claim.Host))
		if len(intruders) == 0 || len(owners) == 0 {
			return
		}
		t := chain.Target(p, proxy.ByKubeProxy(intruders), "the node")
		cause := fmt.Sprintf("%s claims %s as an external address, but it is %s's own", pick.Names(intruders), t.Address, pick.HostOf(owners))
		f := rule.Finding{
			Severity:  externalIPSeverity(p, intruders, t.Owner),
			Title:     fmt.Sprintf("%s belongs to %s %s, and %s claims it as externalIP", t.Address, pick.NodeOrHost(p, owners), pick.HostOf(owners), pick.Names(intruders)),
			Claimants: theft.Takers(p, intruders, owners),
			Chain:     chain.VipChain(p, intruders, t, cause),
		}
		f.Claimants = append(f.Claimants, rule.Claimants(rule.Witness, p.Others(claim.ControlPlane)...)...)
		p.Report(f)
	},
})

func externalIPSeverity(p *rule.Pass, intruders []claim.Claim, node cluster.Node) rule.Severity {
	if s, ok := proxy.Inert(p, intruders); ok {
		return proxy.SingleNode(p, s)
	}
	if proxy.Binds(p.Facts) || theft.TakenListener(p, proxy.ByKubeProxy(intruders), node) {
		return proxy.SingleNode(p, rule.Critical)
	}
	return proxy.SingleNode(p, rule.Warning)
}
