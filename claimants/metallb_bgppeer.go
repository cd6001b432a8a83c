// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// MetalLBBGPPeer is a router (metallb api/v1beta2/bgppeer_types.go, v0.16;
// peerAddress is empty for a peer that is found on an interface).
var MetalLBBGPPeer = add(Claimant{
	Kind:   "metallb.bgpPeer",
	Role:   claim.Reserved,
	Doc:    "`spec.peerAddress` of a MetalLB BGPPeer: a router to which MetalLB announces addresses.",
	Of:     snapshot.Kind{Group: "metallb.io", Kind: "BGPPeer", Resource: "bgppeers", Namespaced: true},
	Fields: []string{"spec.peerAddress"},
	Object: func(o *snapshot.Object, yield Yield) { yieldRouter(o.Field("spec", "peerAddress"), yield) },
})
