// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"

	"whohas/claim"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/snapshot"
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
		Effect:  "In IPVS mode every node that does not hold the address at that moment puts it on " + kubeproxy.IPVSDevice + " and finds nobody there when it looks for the apiserver: all such nodes become NotReady at once, and kube-proxy no longer hears of the cure. An L2 announcer takes the address away on the wire. In the other modes, if the Service's port is the apiserver's, who connects anew does not find it; open connections stay.",
		Why:     "A control-plane VIP stands in no Node's status, so that not even a careful look at the nodes shows whose it is.",
		Fix:     "Give the Service another address. A VIP of the control plane belongs to the control plane alone.",
		Since:   "kube-proxy 1.11 (IPVS)",
		Refs:    []string{"https://github.com/kubernetes/kubernetes/issues/66966", "https://gitlab.com/sylva-projects/sylva-core/-/issues/2628"},
	},
	After:   []*rule.Rule{ExternalIPIsNode, LBIPIsNode, LBRequestIsNode},
	Subject: claim.VIP | claim.Request | claim.Pool,
	Against: claim.ControlPlane,
	Check: func(p *rule.Pass) {
		intruders := withoutGateways(p.Subjects())
		owners := foreign(intruders, p.Others(claim.ControlPlane))
		ports := portsOn(owners)
		portless := func(c claim.Claim) bool { return !takePort([]claim.Claim{c}, ports) }
		intruders, owners = besideNodes(p, intruders, owners, portless)
		if len(intruders) == 0 || len(owners) == 0 {
			return
		}
		const is = "the control plane"
		cause := fmt.Sprintf("%s claims %s, where the apiserver is reached (%s)", names(intruders), p.Key.Range, names(owners))
		f := rule.Finding{
			Severity:  controlPlaneSeverity(p, intruders, owners),
			Title:     fmt.Sprintf("%s is the control plane's address, and %s claims it", whichAddress(p, owners), names(intruders)),
			Claimants: takers(p, intruders, owners),
		}
		f.Chain = claimChain(p, intruders, owners, is, cause, "apiserver")
		p.Report(f)
	},
})

func controlPlaneSeverity(p *rule.Pass, intruders, owners []claim.Claim) rule.Severity {
	if s, ok := inert(p, intruders); ok {
		return s
	}
	if binds(p.Facts) || l2(p, intruders) || takePort(intruders, portsOn(owners)) {
		return rule.Critical
	}
	return rule.Error
}

// notOfNodes leaves out what stands at a node's own address: WH101 to WH104 judge
// that, and know when it is meant so. Others of a pool's range stay.
func notOfNodes(p *rule.Pass, owners []claim.Claim) []claim.Claim {
	hosts := map[claim.Range]bool{}
	for _, h := range p.Others(claim.Host) {
		hosts[h.Range] = true
	}
	return slices.DeleteFunc(owners, func(o claim.Claim) bool { return hosts[o.Range] })
}

// besideNodes leaves what stands at a node's own address out for the intruders who
// are modest: out of the owners if all of them are, and else out of the intruders
// if nothing else is left to blame them for. In whose company an intruder is found
// makes it no worse.
func besideNodes(p *rule.Pass, intruders, owners []claim.Claim, modest func(claim.Claim) bool) (by, of []claim.Claim) {
	bold := slices.DeleteFunc(slices.Clone(intruders), modest)
	switch left := notOfNodes(p, slices.Clone(owners)); {
	case len(bold) == 0:
		return intruders, left
	case len(left) == 0:
		return bold, owners
	}
	return intruders, owners
}

// portsOn are the ports that claims are about.
func portsOn(claims []claim.Claim) map[snapshot.Port]bool {
	ports := map[snapshot.Port]bool{}
	for _, c := range claims {
		for _, port := range c.Ports {
			ports[port] = true
		}
	}
	return ports
}

// takePort tells whether one of the claims is about one of the ports.
func takePort(claims []claim.Claim, ports map[snapshot.Port]bool) bool {
	for _, c := range claims {
		if slices.ContainsFunc(c.Ports, func(port snapshot.Port) bool { return ports[port] }) {
			return true
		}
	}
	return false
}

// l2 tells whether one of the claims is known to be announced on the wire.
func l2(p *rule.Pass, claims []claim.Claim) bool {
	for _, c := range claims {
		if c.Role == claim.Pool && p.Facts.AnnouncedByL2(c.Agent, c.By) {
			return true
		}
	}
	return false
}

// whichAddress is the key, or what of a pool's range is meant.
func whichAddress(p *rule.Pass, owners []claim.Claim) string {
	if p.Key.Range.IsSingle() {
		return p.Key.Range.String()
	}
	return plainAddrs(insideAddrs(owners))
}

// claimChain explains what happens when an address that is no node's is taken
// through a VIP now, through a request or a pool later.
func claimChain(p *rule.Pass, intruders, owners []claim.Claim, is, cause string, loses ...string) explain.Chain {
	vips := inRole(intruders, claim.VIP)
	switch {
	case len(vips) > 0:
		t := target(p, byKubeProxy(vips), is, loses...)
		return vipChain(p, intruders, t, cause)
	case len(inRole(intruders, claim.Request)) > 0:
		return requested(p, intruders, is, cause, loses...)
	}
	return simpleChain(cause, "a Service that gets the address from the pool takes it from its owner", intruders, poolsEdit(p, intruders, rangesIn(owners)))
}

func inRole(claims []claim.Claim, role claim.Roles) []claim.Claim {
	return slices.DeleteFunc(slices.Clone(claims), func(c claim.Claim) bool { return c.Role&role == 0 })
}
