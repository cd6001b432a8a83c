// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// CiliumPool is a pool of Cilium's LB IPAM.
//
// blocks came in 1.15 beside cidrs, which 1.16 no longer has (cilium
// pkg/k8s/apis/cilium.io/v2alpha1/lbipam_types.go; v2/lbipam_types.go). A CIDR's
// first and last address are kept back where allowFirstLastIPs is No; with
// cidrs, also where it is unset: that was the default while the field lived.
var CiliumPool = add(Claimant{
	Kind: "cilium.pool",
	Role: claim.Pool,
	Doc:  "`spec.blocks` of a CiliumLoadBalancerIPPool that is not disabled (older: `spec.cidrs`): Cilium gives Services these addresses.",
	Of:   snapshot.Kind{Group: "cilium.io", Kind: "CiliumLoadBalancerIPPool", Resource: "ciliumloadbalancerippools"},
	Fields: []string{
		"spec.blocks[].cidr", "spec.blocks[].start", "spec.blocks[].stop",
		"spec.cidrs[].cidr", "spec.cidrs[].start", "spec.cidrs[].stop",
		"spec.disabled<bool>", "spec.allowFirstLastIPs", "spec.serviceSelector<any>",
	},
	Object: func(o *snapshot.Object, yield Yield) {
		if o.Field("spec", "disabled").Is() {
			return
		}
		ends := o.Field("spec", "allowFirstLastIPs").Text()
		for b := range o.Field("spec", "blocks").Items() {
			yieldCiliumBlock(b, ends == "No", yield)
		}
		for b := range o.Field("spec", "cidrs").Items() {
			yieldCiliumBlock(b, ends != "Yes", yield)
		}
	},
})

// yieldCiliumBlock reads a block as cilium operator/pkg/lbipam/lbipam.go
// ipRangeFromBlock does: the CIDR first; a start without a stop is one address.
func yieldCiliumBlock(b snapshot.Field, keepsEnds bool, yield Yield) {
	var c claim.Claim
	cidr, start, stop := b.Get("cidr"), b.Get("start"), b.Get("stop")
	switch {
	case given(cidr):
		c = span(cidr)
		if keepsEnds {
			c.Range = withoutEnds(c.Range)
		}
	case given(start) && given(stop):
		c = span(part(start, start.Text()+"-"+stop.Text()))
	case given(start):
		c = addr(start)
	default:
		return
	}
	c.Agent = AgentCilium
	yield(c)
}
