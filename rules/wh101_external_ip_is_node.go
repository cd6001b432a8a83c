// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/rule"
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
			"If it is the apiserver's address, the nodes become NotReady and kube-proxy no longer hears of the cure. In the other modes only the Service's own port and protocol are taken: bad if the node itself listens there, otherwise often intended.",
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
		intruders := ofKind(p.Subjects(), claimants.ServiceExternalIP.Kind)
		owners := foreign(intruders, p.Others(claim.Host))
		if len(intruders) == 0 || len(owners) == 0 {
			return
		}
		t := target(p, byKubeProxy(intruders), "the node")
		cause := fmt.Sprintf("%s claims %s as an external address, but it is %s's own", names(intruders), t.Address, hostOf(owners))
		f := rule.Finding{
			Severity:  externalIPSeverity(p, intruders, t.Owner),
			Title:     fmt.Sprintf("%s belongs to %s %s, and %s claims it as externalIP", t.Address, nodeOrHost(p, owners), hostOf(owners), names(intruders)),
			Claimants: takers(p, intruders, owners),
			Chain:     vipChain(p, intruders, t, cause),
		}
		f.Claimants = append(f.Claimants, rule.Claimants(rule.Witness, p.Others(claim.ControlPlane)...)...)
		p.Report(f)
	},
})

func externalIPSeverity(p *rule.Pass, intruders []claim.Claim, node cluster.Node) rule.Severity {
	if s, ok := inert(p, intruders); ok {
		return singleNode(p, s)
	}
	if binds(p.Facts) || takenListener(p, byKubeProxy(intruders), node) {
		return singleNode(p, rule.Critical)
	}
	return singleNode(p, rule.Warning)
}

// inert gives the severity of claims of which kube-proxy makes nothing: external
// addresses while its gate is off, and Services that are left to another proxy,
// of which nothing is known. ok is false if it acts on one of the claims.
func inert(p *rule.Pass, claims []claim.Claim) (s rule.Severity, ok bool) {
	for _, c := range claims {
		switch {
		case p.Facts.ExternalIPsOff && c.Kind == claimants.ServiceExternalIP.Kind:
		case c.Role == claim.VIP && c.Agent == claimants.AgentOtherProxy:
			s = rule.Warning
		default:
			return 0, false
		}
	}
	return s, true
}

// vipChain explains what Services take; where kube-proxy makes nothing of their
// claims, that they take nothing.
func vipChain(p *rule.Pass, intruders []claim.Claim, t explain.Target, cause string) explain.Chain {
	s, ok := inert(p, intruders)
	if !ok {
		return takeoverChain(p, intruders, t, cause)
	}
	effect := "nothing as it is: kube-proxy's gate AllowServiceExternalIPs is off; where it is on, the address is taken"
	if s > rule.Info {
		effect = "kube-proxy leaves the Service to another proxy (label " + kubeproxy.OtherProxyLabel + "): what that one does with the address is not known"
	}
	return simpleChain(cause, effect, intruders, removeAll(p, "take the claim away", intruders))
}

// binds tells whether the proxy takes whole addresses: kube-proxy up to 1.10 does
// not, in ipvs mode either.
func binds(f *rule.Facts) bool { return f.Behavior().Binds }

// singleNode lowers a severity where there is no other node to suffer.
func singleNode(p *rule.Pass, s rule.Severity) rule.Severity {
	if p.Facts.SingleNode() {
		return s.Lower()
	}
	return s
}

// modeSeverity is critical under a proxy that takes whole addresses, an error
// under the others.
func modeSeverity(f *rule.Facts) rule.Severity {
	if binds(f) {
		return rule.Critical
	}
	return rule.Error
}
