// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/cluster"
	"whohas/snapshot"
)

// KubernetesEndpoints is where the apiservers really listen.
var KubernetesEndpoints = add(Claimant{
	Kind:  "endpointslice.kubernetes",
	Role:  claim.ControlPlane,
	Doc:   "The EndpointSlice of default/kubernetes: each apiserver enters its own address.",
	Of:    snapshot.EndpointSliceKind,
	Slice: kubernetesEndpoints,
})

// KubernetesOldEndpoints is the same in the older form.
var KubernetesOldEndpoints = add(Claimant{
	Kind:  "endpoints.kubernetes",
	Role:  claim.ControlPlane,
	Doc:   "The Endpoints of default/kubernetes: the older form of its EndpointSlice.",
	Of:    snapshot.EndpointsKind,
	Names: []string{"default/kubernetes"},
	Slice: kubernetesEndpoints,
})

func kubernetesEndpoints(e *snapshot.EndpointSlice, yield Yield) {
	if cluster.IsKubernetesEndpoints(e) {
		sliceAddresses(e, yield, claim.Claim{Ports: claim.Ports(e.Ports), Owner: controlPlane})
	}
}

// ManualEndpoint is an EndpointSlice that no controller keeps.
var ManualEndpoint = add(Claimant{
	Kind: "endpointslice.address",
	Role: claim.Endpoint,
	Doc:  "An EndpointSlice without a controller: somebody sends a Service's traffic to an address of their choice.",
	Of:   snapshot.EndpointSliceKind,
	Slice: func(e *snapshot.EndpointSlice, yield Yield) {
		if e.ManagedBy == "" && e.Controller.IsZero() && !cluster.IsKubernetesEndpoints(e) {
			sliceAddresses(e, yield, claim.Claim{Ports: claim.Ports(e.Ports)})
		}
	},
})

func sliceAddresses(e *snapshot.EndpointSlice, yield Yield, c claim.Claim) {
	for _, ip := range e.Addresses {
		c.Range, c.Text = claim.Single(ip), ip.String()
		c.Origin = snapshot.Origin{File: e.File, Line: e.Line, Field: "endpoints[].addresses"}
		yield(c)
	}
}

// controlPlane owns what leads to the apiservers, whoever wrote it down.
var controlPlane = snapshot.Ref{Kind: "ControlPlane", Name: "apiserver"}
