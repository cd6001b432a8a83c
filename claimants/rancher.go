// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/cluster"
)

// The prefix is the program's name, k3s or rke2; the values are lists with
// commas (k3s pkg/cloudprovider/instances.go).
var k3sNodeIPs = []string{"k3s.io/internal-ip", "k3s.io/external-ip", "rke2.io/internal-ip", "rke2.io/external-ip"}

// K3sNodeIP is a node's own address as k3s and RKE2 note it.
var K3sNodeIP = add(Claimant{
	Kind:   "k3s.nodeIP",
	Role:   claim.Host,
	Doc:    "The annotations `k3s.io/internal-ip` and `external-ip` of a Node (RKE2: `rke2.io/...`): its own addresses.",
	Of:     cluster.NodeKind,
	Fields: annotations(k3sNodeIPs...),
	Object: annotatedAddresses(k3sNodeIPs...),
})

var rkeNodeIPs = []string{"rke.cattle.io/internal-ip", "rke.cattle.io/external-ip"}

// RKENodeIP is a node's own address as RKE notes it (rke k8s/node.go).
var RKENodeIP = add(Claimant{
	Kind:   "rke.nodeIP",
	Role:   claim.Host,
	Doc:    "The annotations `rke.cattle.io/internal-ip` and `external-ip` of a Node: its own addresses.",
	Of:     cluster.NodeKind,
	Fields: annotations(rkeNodeIPs...),
	Object: annotatedAddresses(rkeNodeIPs...),
})
