// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/cluster"
)

// Calico notes on each Node what calico-node and its companions chose (calico
// libcalico-go/lib/backend/k8s/resources/node.go, v3.32).
var (
	calicoNodeIPs = []string{"projectcalico.org/IPv4Address", "projectcalico.org/IPv6Address"}
	calicoTunnels = []string{
		"projectcalico.org/IPv4IPIPTunnelAddr", "projectcalico.org/IPv4VXLANTunnelAddr", "projectcalico.org/IPv6VXLANTunnelAddr",
		"projectcalico.org/IPv4WireguardInterfaceAddr", "projectcalico.org/IPv6WireguardInterfaceAddr",
	}
)

// CalicoNodeIP is a node's own address, with its subnet, as calico-node found it.
var CalicoNodeIP = add(Claimant{
	Kind:   "calico.nodeIP",
	Role:   claim.Host,
	Doc:    "The annotations `projectcalico.org/IPv4Address` and `IPv6Address` of a Node: its own addresses, on which Calico's BGP and tunnels run.",
	Of:     cluster.NodeKind,
	Fields: annotations(calicoNodeIPs...),
	Object: annotatedAddresses(calicoNodeIPs...),
})

// CalicoTunnel is the address of one of Calico's tunnel devices on a node.
var CalicoTunnel = add(Claimant{
	Kind:   "calico.tunnelAddr",
	Role:   claim.Tunnel,
	Doc:    "The annotations `projectcalico.org/*TunnelAddr` and `*WireguardInterfaceAddr` of a Node: the addresses of its devices tunl0, vxlan.calico and wireguard.cali.",
	Of:     cluster.NodeKind,
	Fields: annotations(calicoTunnels...),
	Object: annotatedAddresses(calicoTunnels...),
})
