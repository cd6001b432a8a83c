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

// NamedEndpoint is an EndpointSlice of which a label or an owner says who keeps it, or a
// mirror of Endpoints: the mirroring controller makes those of Endpoints that no
// controller keeps (kubernetes pkg/controller/endpointslicemirroring syncEndpoints: its
// Service has no selector). The claim's agent is who is named.
var NamedEndpoint = add(Claimant{
	Kind: "endpointslice.namedAddress",
	Role: claim.Endpoint,
	Doc:  "An EndpointSlice of which a label or an owner other than its Service names the keeper, which anyone can write, or the mirror of Endpoints written by hand.",
	Of:   snapshot.EndpointSliceKind,
	Slice: func(e *snapshot.EndpointSlice, yield Yield) {
		if (e.ManagedBy != "" || !e.Controller.IsZero()) && !ofControlPlane(e.Controller) && !cluster.IsKubernetesEndpoints(e) {
			sliceAddresses(e, yield, ofService(e))
		}
	},
})

// ofControlPlane reports whether the owner is the Service: whoever keeps slices by
// Services enters it (kubernetes staging/src/k8s.io/endpointslice/utils.go newEndpointSlice).
func ofControlPlane(owner snapshot.Ref) bool {
	return owner.Group == "" && owner.Kind == serviceKind.Kind
}

// ManualEndpoints are Endpoints that may be written by hand: whether a controller keeps
// them only their Service shows (kubernetes pkg/controller/endpoint syncService: those of
// Services with a selector). A live cluster shows them by their mirrors.
var ManualEndpoints = add(Claimant{
	Kind:  "endpoints.address",
	Role:  claim.Endpoint,
	Doc:   "Endpoints of a Service without a selector: somebody sends its traffic to an address of their choice.",
	Of:    snapshot.EndpointsKind,
	Names: []string{"default/kubernetes"},
	Filed: true,
	Slice: func(e *snapshot.EndpointSlice, yield Yield) {
		if e.Service != "" && e.Controller.IsZero() && !cluster.IsKubernetesEndpoints(e) {
			sliceAddresses(e, yield, ofService(e))
		}
	},
})

// ofService is a claim made on behalf of the Service that the traffic is for.
func ofService(e *snapshot.EndpointSlice) claim.Claim {
	agent := e.ManagedBy
	if agent == "" && !e.Controller.IsZero() {
		agent = e.Controller.Kind
	}
	return claim.Claim{Ports: claim.Ports(e.Ports), Agent: agent, Owner: serviceKind.Ref(e.Ref.Namespace, e.Service)}
}

func sliceAddresses(e *snapshot.EndpointSlice, yield Yield, c claim.Claim) {
	field := "endpoints[].addresses"
	if e.Ref.Kind == snapshot.EndpointsKind.Kind && c.Owner != controlPlane {
		field = "subsets[].addresses[].ip"
	}
	for _, ip := range e.Addresses {
		c.Range, c.Text = claim.Single(ip), ip.String()
		c.Origin = snapshot.Origin{File: e.File, Line: e.Line, Field: field}
		yield(c)
	}
}

// controlPlane owns what leads to the apiservers, whoever wrote it down.
var controlPlane = snapshot.Ref{Kind: "ControlPlane", Name: "apiserver"}
