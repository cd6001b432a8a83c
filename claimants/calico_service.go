// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// CalicoRequest is Calico's annotation for given addresses: a JSON array of
// strings (calico kube-controllers/pkg/controllers/loadbalancer/
// loadbalancer_controller.go parseAnnotations, v3.32).
var CalicoRequest = add(Claimant{
	Kind:   "calico.loadBalancerIPs",
	Role:   claim.Request,
	Doc:    "The annotation `projectcalico.org/loadBalancerIPs` of a Service, a JSON array: asks Calico for these addresses.",
	Of:     serviceKind,
	Fields: service(annotations("projectcalico.org/loadBalancerIPs")...),
	Object: func(o *snapshot.Object, yield Yield) {
		f := o.Annotation("projectcalico.org/loadBalancerIPs")
		if !given(f) || !isLoadBalancer(o) {
			return
		}
		of := commonOf(o)
		addresses, ok := jsonStrings(f.Text())
		if !ok {
			// Calico gives the Service no address at all then, also where the
			// text is a plain address: no range is claimed, but the text is kept.
			yield(of(claim.Claim{Text: f.Text(), Origin: f.Origin(), Agent: AgentCalico}))
		}
		for _, a := range addresses {
			yield(of(askedOf(part(f, a), AgentCalico)))
		}
	},
})
