// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// MetalLBPool is an IPAddressPool (metallb api/v1beta1/ipaddresspool_types.go,
// v0.16). A pool with avoidBuggyIPs never hands out addresses that end in .0 and
// .255: they are claimed all the same, since they are not one range, and the
// field is kept for the rules.
var MetalLBPool = add(Claimant{
	Kind: "metallb.pool",
	Role: claim.Pool,
	Doc:  "`spec.addresses` of a MetalLB IPAddressPool: MetalLB gives Services these addresses, by itself unless autoAssign is false.",
	Of:   snapshot.Kind{Group: "metallb.io", Kind: "IPAddressPool", Resource: "ipaddresspools", Namespaced: true},
	Fields: []string{
		"spec.addresses[]", "spec.autoAssign<bool>", "spec.avoidBuggyIPs<bool>", "spec.serviceAllocation<any>",
	},
	Object: metalLBPool,
})

// MetalLBAddressPool is the form before it (metallb api/v1beta1/addresspool_types.go,
// 0.12 with the operator to 0.13).
var MetalLBAddressPool = add(Claimant{
	Kind:   "metallb.addressPool",
	Role:   claim.Pool,
	Doc:    "`spec.addresses` of a MetalLB AddressPool, the kind before IPAddressPool.",
	Of:     snapshot.Kind{Group: "metallb.io", Kind: "AddressPool", Resource: "addresspools", Namespaced: true},
	Fields: []string{"spec.addresses[]", "spec.autoAssign<bool>", "spec.protocol"},
	Object: metalLBPool,
})

func metalLBPool(o *snapshot.Object, yield Yield) {
	yieldPool(items(o.Field("spec", "addresses")), AgentMetalLB, yield)
}
