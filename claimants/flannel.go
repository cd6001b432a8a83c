// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/cluster"
)

// Flannel notes on each Node where the others reach it; an overwrite for NAT is
// in it already (flannel pkg/subnet/kube/kube.go AcquireLease, v0.28). The prefix
// is flannel's default.
var flannelPublicIPs = []string{"flannel.alpha.coreos.com/public-ip", "flannel.alpha.coreos.com/public-ipv6"}

// FlannelPublicIP is the address at which flannel reaches a node.
var FlannelPublicIP = add(Claimant{
	Kind:   "flannel.publicIP",
	Role:   claim.Host,
	Doc:    "The annotations `flannel.alpha.coreos.com/public-ip` and `public-ipv6` of a Node: where the other nodes' tunnels reach it.",
	Of:     cluster.NodeKind,
	Fields: annotations(flannelPublicIPs...),
	Object: annotatedAddresses(flannelPublicIPs...),
})
