// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

const (
	openELBManages = "lb.kubesphere.io/v1alpha1"
	openELBAddress = "eip.openelb.kubesphere.io/v1alpha1"
)

// OpenELBRequest is OpenELB's annotation for one given address. OpenELB looks
// only at LoadBalancer Services that another annotation leaves to it (openelb
// pkg/controllers/ipam/ipam.go ConstructRequest, needRelease, v0.6).
var OpenELBRequest = add(Claimant{
	Kind:   "openelb.eip.request",
	Role:   claim.Request,
	Doc:    "The annotation `eip.openelb.kubesphere.io/v1alpha1` of a Service that is OpenELB's: asks OpenELB for the address.",
	Of:     serviceKind,
	Fields: service(annotations(openELBAddress, openELBManages)...),
	Object: func(o *snapshot.Object, yield Yield) {
		f := o.Annotation(openELBAddress)
		if given(f) && isLoadBalancer(o) && o.Annotation(openELBManages).Text() == "openelb" {
			yield(commonOf(o)(askedOf(f, AgentOpenELB)))
		}
	},
})
