// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// OpenELBEip is a pool of OpenELB (openelb api/v1alpha2/eip_types.go, v0.6).
var OpenELBEip = add(Claimant{
	Kind: "openelb.eip",
	Role: claim.Pool,
	Doc:  "`spec.address` of an OpenELB Eip that is not disabled: OpenELB gives Services these addresses.",
	Of:   snapshot.Kind{Group: "network.kubesphere.io", Kind: "Eip", Resource: "eips"},
	Fields: []string{
		"spec.address", "spec.disable", "spec.protocol", "spec.priority", "spec.namespaces", "spec.namespaceSelector",
	},
	Object: func(o *snapshot.Object, yield Yield) {
		if !o.Field("spec", "disable").Is() {
			yieldPool([]snapshot.Field{o.Field("spec", "address")}, AgentOpenELB, yield)
		}
	},
})

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
			yieldRequest(o, f, AgentOpenELB, yield)
		}
	},
})
