// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// openShiftNetworkKind: what is deployed stands in its status, what is wanted in
// its spec (openshift/api config/v1/types_network.go).
var openShiftNetworkKind = snapshot.Kind{Group: "config.openshift.io", Kind: "Network", Resource: "networks"}

var openShiftNetworkNames = []string{"/cluster"}

// OpenShiftServiceNetwork is the range of ClusterIPs.
var OpenShiftServiceNetwork = add(Claimant{
	Kind:   "openshift.serviceNetwork",
	Role:   claim.ServiceRange,
	Doc:    "`serviceNetwork` of OpenShift's Network configuration: ClusterIPs come from it.",
	Of:     openShiftNetworkKind,
	Names:  openShiftNetworkNames,
	Fields: []string{"status.serviceNetwork[]", "spec.serviceNetwork[]"},
	Object: func(o *snapshot.Object, yield Yield) {
		for f := range deployed(o, "serviceNetwork").Items() {
			if given(f) {
				yield(span(f))
			}
		}
	},
})

// OpenShiftClusterNetwork is the range of the Pods' addresses.
var OpenShiftClusterNetwork = add(Claimant{
	Kind:   "openshift.clusterNetwork",
	Role:   claim.PodRange,
	Doc:    "`clusterNetwork[].cidr` of OpenShift's Network configuration: the nodes' Pod ranges come from it.",
	Of:     openShiftNetworkKind,
	Names:  openShiftNetworkNames,
	Fields: []string{"status.clusterNetwork[].cidr", "spec.clusterNetwork[].cidr"},
	Object: func(o *snapshot.Object, yield Yield) {
		for f := range deployed(o, "clusterNetwork").Items() {
			if given(f.Get("cidr")) {
				yield(span(f.Get("cidr")))
			}
		}
	},
})

// deployed is a list of the status, or of the spec while there is no status.
func deployed(o *snapshot.Object, key string) snapshot.Field {
	if f := o.Field("status", key); f.OK() && len(f.Value.Items) > 0 {
		return f
	}
	return o.Field("spec", key)
}

// OpenShiftAutoAssign is where OpenShift takes externalIPs from for LoadBalancer
// Services.
var OpenShiftAutoAssign = add(Claimant{
	Kind:   "openshift.autoAssignCIDR",
	Role:   claim.Pool,
	Doc:    "`spec.externalIP.autoAssignCIDRs` of OpenShift's Network configuration: LoadBalancer Services get externalIPs from it.",
	Of:     openShiftNetworkKind,
	Names:  openShiftNetworkNames,
	Fields: []string{"spec.externalIP.autoAssignCIDRs[]"},
	Object: func(o *snapshot.Object, yield Yield) {
		yieldPool(items(o.Field("spec", "externalIP", "autoAssignCIDRs")), AgentOpenShift, yield)
	},
})
