// SPDX-License-Identifier: Apache-2.0

// Package chain explains a conflict from its cause to what is lost.
package chain

import (
	"whohas/claim"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/proxy"
	"whohas/rules/internal/theft"
)

// SimpleChain explains a finding with one sentence each.
func SimpleChain(cause, effect string, intruders []claim.Claim, fixes ...explain.Fix) explain.Chain {
	certainty := explain.Derived
	return explain.Chain{
		Cause:   explain.Link{Text: cause, Evidence: pick.Evidence(intruders)},
		Impacts: []explain.Impact{{Text: effect, Certainty: certainty, Evidence: pick.Evidence(intruders)}},
		Fixes:   fixes,
	}
}

// Requested explains a request that would become a takeover once granted.
func Requested(p *rule.Pass, intruders []claim.Claim, is, cause string, loses ...string) explain.Chain {
	t := Target(p, intruders, is, loses...)
	chain := explain.Chain{
		Cause:   explain.Link{Text: cause, Evidence: pick.Evidence(intruders)},
		Impacts: explain.Takeover(t, p.Facts),
		Notes:   append([]explain.Link{{Text: "this happens once the controller grants the request"}}, theft.ModeNotes(p, t)...),
		Fixes:   []explain.Fix{fix.RemoveAll(p, "withdraw the request before it is granted", intruders)},
	}
	return chain
}

// GatewayChain explains a Gateway's request by what it takes from whom.
func GatewayChain(p *rule.Pass, gateways, owners []claim.Claim, cause string) explain.Chain {
	if len(pick.InRole(owners, claim.Host|claim.ControlPlane)) > 0 {
		return Requested(p, gateways, "the control plane", cause, "apiserver")
	}
	return SimpleChain(cause, "the Service that the Gateway's controller generates takes the address from its place", gateways,
		fix.RemoveAll(p, "withdraw the request", gateways))
}

// VipChain explains what Services take; where kube-proxy makes nothing of their
// claims, that they take nothing.
func VipChain(p *rule.Pass, intruders []claim.Claim, t explain.Target, cause string) explain.Chain {
	s, ok := proxy.Inert(p, intruders)
	if !ok {
		return takeoverChain(p, intruders, t, cause)
	}
	effect := "nothing as it is: kube-proxy's gate AllowServiceExternalIPs is off; where it is on, the address is taken"
	if s > rule.Info {
		effect = "kube-proxy leaves the Service to another proxy (label " + kubeproxy.OtherProxyLabel + "): what that one does with the address is not known"
	}
	return SimpleChain(cause, effect, intruders, fix.RemoveAll(p, "take the claim away", intruders))
}

// ClaimChain explains what happens when an address that is no node's is taken
// through a VIP now, through a request or a pool later.
func ClaimChain(p *rule.Pass, intruders, owners []claim.Claim, is, cause string, loses ...string) explain.Chain {
	vips := pick.InRole(intruders, claim.VIP)
	switch {
	case len(vips) > 0:
		t := Target(p, proxy.ByKubeProxy(vips), is, loses...)
		return VipChain(p, intruders, t, cause)
	case len(pick.InRole(intruders, claim.Request)) > 0:
		return Requested(p, intruders, is, cause, loses...)
	}
	return SimpleChain(cause, "a Service that gets the address from the pool takes it from its owner", intruders, fix.PoolsEdit(p, intruders, pick.RangesIn(owners)))
}
