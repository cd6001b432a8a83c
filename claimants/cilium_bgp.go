// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// CiliumBGPPeeringPolicy names routers in CIDR notation, "10.0.0.1/32" (cilium
// pkg/k8s/apis/cilium.io/v2alpha1/bgpp_types.go).
var CiliumBGPPeeringPolicy = add(Claimant{
	Kind:   "cilium.bgpPeeringPolicy",
	Role:   claim.Reserved,
	Doc:    "`peerAddress` of a neighbor in a CiliumBGPPeeringPolicy: a router to which Cilium announces addresses.",
	Of:     snapshot.Kind{Group: "cilium.io", Kind: "CiliumBGPPeeringPolicy", Resource: "ciliumbgppeeringpolicies"},
	Fields: []string{"spec.virtualRouters[].neighbors[].peerAddress"},
	Object: func(o *snapshot.Object, yield Yield) {
		for r := range o.Field("spec", "virtualRouters").Items() {
			for n := range r.Get("neighbors").Items() {
				yieldRouter(n.Get("peerAddress"), yield)
			}
		}
	},
})

// CiliumBGPClusterConfig came after it (cilium
// pkg/k8s/apis/cilium.io/v2/bgp_cluster_types.go); peers that Cilium finds by
// itself have no address there.
var CiliumBGPClusterConfig = add(Claimant{
	Kind:   "cilium.bgpClusterConfig",
	Role:   claim.Reserved,
	Doc:    "`peerAddress` of a peer in a CiliumBGPClusterConfig: a router to which Cilium announces addresses.",
	Of:     snapshot.Kind{Group: "cilium.io", Kind: "CiliumBGPClusterConfig", Resource: "ciliumbgpclusterconfigs"},
	Fields: []string{"spec.bgpInstances[].peers[].peerAddress"},
	Object: func(o *snapshot.Object, yield Yield) {
		for i := range o.Field("spec", "bgpInstances").Items() {
			for p := range i.Get("peers").Items() {
				yieldRouter(p.Get("peerAddress"), yield)
			}
		}
	},
})
