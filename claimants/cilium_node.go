// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/cluster"
	"whohas/snapshot"
)

var ciliumNodeKind = snapshot.Kind{Group: "cilium.io", Kind: "CiliumNode", Resource: "ciliumnodes"}

// CiliumNodeIP is a node's own address as Cilium knows it (cilium
// pkg/k8s/apis/cilium.io/v2/types.go NodeAddress).
var CiliumNodeIP = add(Claimant{
	Kind:   "cilium.nodeIP",
	Role:   claim.Host,
	Doc:    "`spec.addresses` of a CiliumNode, types InternalIP and ExternalIP: the node's own addresses.",
	Of:     ciliumNodeKind,
	Fields: []string{"spec.addresses[].type", "spec.addresses[].ip"},
	Object: ciliumAddresses("InternalIP", "ExternalIP"),
})

// CiliumInternalIP is the address of a node's device cilium_host: the router of
// its Pods (cilium pkg/node/addressing/addresstype.go).
var CiliumInternalIP = add(Claimant{
	Kind:   "cilium.internalIP",
	Role:   claim.Tunnel,
	Doc:    "`spec.addresses` of a CiliumNode, type CiliumInternalIP: the address of the node's device cilium_host.",
	Of:     ciliumNodeKind,
	Fields: []string{"spec.addresses[].type", "spec.addresses[].ip"},
	Object: ciliumAddresses("CiliumInternalIP"),
})

func ciliumAddresses(types ...string) func(*snapshot.Object, Yield) {
	return func(o *snapshot.Object, yield Yield) {
		for a := range o.Field("spec", "addresses").Items() {
			for _, t := range types {
				if a.Get("type").Text() == t && given(a.Get("ip")) {
					yieldCiliumNode(o, addr(a.Get("ip")), yield)
				}
			}
		}
	}
}

// CiliumPodCIDR is the range of a node's Pods: podCIDRs in cluster-pool mode,
// pools.allocated in multi-pool mode (cilium pkg/ipam/types/types.go IPAMSpec).
var CiliumPodCIDR = add(Claimant{
	Kind:   "cilium.podCIDR",
	Role:   claim.PodRange,
	Doc:    "`spec.ipam.podCIDRs` and `spec.ipam.pools.allocated[].cidrs` of a CiliumNode: the addresses of its Pods.",
	Of:     ciliumNodeKind,
	Fields: []string{"spec.ipam.podCIDRs[]", "spec.ipam.pools.allocated[].cidrs[]"},
	Object: func(o *snapshot.Object, yield Yield) {
		cidrs := items(o.Field("spec", "ipam", "podCIDRs"))
		for p := range o.Field("spec", "ipam", "pools", "allocated").Items() {
			cidrs = append(cidrs, items(p.Get("cidrs"))...)
		}
		for _, f := range cidrs {
			yieldCiliumNode(o, span(f), yield)
		}
	},
})

// yieldCiliumNode: what a CiliumNode says is said of the Node of its name.
func yieldCiliumNode(o *snapshot.Object, c claim.Claim, yield Yield) {
	c.Owner = cluster.NodeKind.Ref("", o.Ref.Name)
	yield(c)
}
