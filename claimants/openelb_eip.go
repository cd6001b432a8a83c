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
		"spec.address", "spec.disable<bool>", "spec.protocol", "spec.priority<int>", "spec.namespaces[]", "spec.namespaceSelector<any>",
	},
	Object: func(o *snapshot.Object, yield Yield) {
		if !o.Field("spec", "disable").Is() {
			yieldPool([]snapshot.Field{o.Field("spec", "address")}, AgentOpenELB, yield)
		}
	},
})
