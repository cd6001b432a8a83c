// SPDX-License-Identifier: Apache-2.0

package claimants

import "whohas/claim"

// The new key counts if both are there (metallb controller/service.go
// valueForAnnotation, v0.16).
var metalLBLoadBalancerIPs = []string{"metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs"}

// MetalLBRequest is MetalLB's annotation for given addresses.
var MetalLBRequest = add(Claimant{
	Kind:   "metallb.loadBalancerIPs",
	Role:   claim.Request,
	Doc:    "The annotation `metallb.io/loadBalancerIPs` of a Service (older: `metallb.universe.tf/loadBalancerIPs`): asks MetalLB for these addresses.",
	Of:     serviceKind,
	Fields: service(annotations(metalLBLoadBalancerIPs...)...),
	Object: requested(AgentMetalLB, metalLBLoadBalancerIPs...),
})
