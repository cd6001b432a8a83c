// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/proxy"
	"whohas/rules/internal/theft"
)

// ClaimsControlPlane is the incident with an address that no Node lists.
var ClaimsControlPlane = add(rule.Rule{
	ID:       "WH106",
	Name:     "claims-control-plane",
	Severity: rule.Critical,
	Outage:   rule.Claimed,
	Policy:   rule.Policy{Refuses: rule.RefusesControlPlane},
	Doc: rule.Doc{
		Problem: "A Service, a request, a pool or a Gateway claims the address under which the apiserver is reached: a virtual IP, kubeadm's controlPlaneEndpoint, the endpoints of default/kubernetes.",
		Effect:  "In IPVS mode every node that does not hold the address at that moment puts it on " + kubeproxy.IPVSDevice + " and finds nobody there when it looks for the apiserver: all such nodes become NotReady at once, and kube-proxy no longer learns of the fix. An L2 announcer takes the address away on the wire. In the other modes, if the Service's port is the apiserver's, new connections no longer reach it; established ones survive.",
		Why:     "A control-plane VIP stands in no Node's status, so that not even a careful look at the nodes shows whose it is.",
		Fix:     "Give the Service another address. A VIP of the control plane belongs to the control plane alone.",
		Since:   "kube-proxy 1.11 (IPVS)",
		Refs:    []string{"https://github.com/kubernetes/kubernetes/issues/66966", "https://gitlab.com/sylva-projects/sylva-core/-/issues/2628"},
	},
	After:   []*rule.Rule{ExternalIPIsNode, LBIPIsNode, LBRequestIsNode},
	Subject: claim.VIP | claim.Request | claim.Pool,
	Against: claim.ControlPlane,
	Check: func(p *rule.Pass) {
		intruders := pick.WithoutGateways(p.Subjects())
		owners := pick.Foreign(intruders, p.Others(claim.ControlPlane))
		ports := pick.PortsOn(owners)
		portless := func(c claim.Claim) bool { return !pick.TakePort([]claim.Claim{c}, ports) }
		intruders, owners = pick.BesideNodes(p, intruders, owners, portless)
		if len(intruders) == 0 || len(owners) == 0 {
			return
		}
		const is = "the control plane"
		cause := fmt.Sprintf("%s claims %s, where the apiserver is reached (%s)", pick.Names(intruders), p.Key.Range, pick.Names(owners))
		f := rule.Finding{
			Severity:  controlPlaneSeverity(p, intruders, owners),
			Title:     fmt.Sprintf("%s is the control plane's address, and %s claims it", pick.WhichAddress(p, owners), pick.Names(intruders)),
			Claimants: theft.Takers(p, intruders, owners),
		}
		f.Chain = chain.ClaimChain(p, intruders, owners, is, cause, "apiserver")
		p.Report(f)
	},
})

func controlPlaneSeverity(p *rule.Pass, intruders, owners []claim.Claim) rule.Severity {
	if s, ok := proxy.Inert(p, intruders); ok {
		return s
	}
	if proxy.Binds(p.Facts) || l2(p, intruders) || pick.TakePort(intruders, pick.PortsOn(owners)) {
		return rule.Critical
	}
	return rule.Error
}

// l2 reports whether one of the claims is known to be announced on the wire.
func l2(p *rule.Pass, claims []claim.Claim) bool {
	for _, c := range claims {
		if c.Role == claim.Pool && p.Facts.AnnouncedByL2(c.Agent, c.By) {
			return true
		}
	}
	return false
}
