// SPDX-License-Identifier: Apache-2.0

package claimants

import "whohas/claim"

// The new key counts if both are there (cilium pkg/annotation/k8s.go Get).
var ciliumIPs = []string{"lbipam.cilium.io/ips", "io.cilium/lb-ipam-ips"}

// CiliumRequest is Cilium's annotation for given addresses.
var CiliumRequest = add(Claimant{
	Kind:   "cilium.ips",
	Role:   claim.Request,
	Doc:    "The annotation `lbipam.cilium.io/ips` of a Service (older: `io.cilium/lb-ipam-ips`): asks Cilium's LB IPAM for these addresses.",
	Of:     serviceKind,
	Fields: service(annotations(ciliumIPs...)...),
	Object: requested(AgentCilium, ciliumIPs...),
})
