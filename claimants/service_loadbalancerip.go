// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// ServiceLoadBalancerIP is spec.loadBalancerIP.
var ServiceLoadBalancerIP = add(Claimant{
	Kind:   "service.loadBalancerIP",
	Role:   claim.Request,
	Doc:    "`spec.loadBalancerIP` of a Service (deprecated in 1.24, still honoured): asks the load-balancer controller for an address.",
	Of:     serviceKind,
	Fields: service("spec.loadBalancerIP"),
	Object: func(o *snapshot.Object, yield Yield) {
		// Another type's loadBalancerIP is ignored by everybody.
		if f := o.Field("spec", "loadBalancerIP"); given(f) && !asksDHCP(f.Text()) && o.Field("spec", "type").Text() == "LoadBalancer" {
			yield(commonOf(o)(addr(f)))
		}
	},
})
