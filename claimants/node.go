// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/cluster"
	"whohas/snapshot"
)

// NodeInternalIP is a Node's own address.
var NodeInternalIP = add(Claimant{
	Kind:   "node.internalIP",
	Role:   claim.Host,
	Doc:    "`status.addresses` of type InternalIP: the address on which a node is reached in the cluster.",
	Of:     cluster.NodeKind,
	Fields: []string{"status.addresses[].type", "status.addresses[].address"},
	Object: nodeAddresses("InternalIP"),
})

// NodeExternalIP is a Node's address outside.
var NodeExternalIP = add(Claimant{
	Kind:   "node.externalIP",
	Role:   claim.Host,
	Doc:    "`status.addresses` of type ExternalIP: the address on which a node is reached from outside.",
	Of:     cluster.NodeKind,
	Fields: []string{"status.addresses[].type", "status.addresses[].address"},
	Object: nodeAddresses("ExternalIP"),
})

func nodeAddresses(kind string) func(*snapshot.Object, Yield) {
	return func(o *snapshot.Object, yield Yield) {
		for a := range o.Field("status", "addresses").Items() {
			if a.Get("type").Text() == kind && given(a.Get("address")) {
				yield(addr(a.Get("address")))
			}
		}
	}
}

// NodePodCIDR is the range of a node's Pods.
var NodePodCIDR = add(Claimant{
	Kind:   "node.podCIDR",
	Role:   claim.PodRange,
	Doc:    "`spec.podCIDRs` of a Node: the addresses of its Pods.",
	Of:     cluster.NodeKind,
	Fields: []string{"spec.podCIDRs[]", "spec.podCIDR"},
	Object: func(o *snapshot.Object, yield Yield) {
		any := false
		for f := range o.Field("spec", "podCIDRs").Items() {
			if given(f) {
				any = true
				yield(span(f))
			}
		}
		if f := o.Field("spec", "podCIDR"); !any && given(f) {
			yield(span(f))
		}
	},
})
