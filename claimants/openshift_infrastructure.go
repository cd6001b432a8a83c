// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// openShiftInfrastructureKind holds, for the platform that the cluster runs on,
// the addresses that OpenShift's keepalived moves between nodes, or that a load
// balancer of the user's has (openshift/api config/v1/types_infrastructure.go).
var openShiftInfrastructureKind = snapshot.Kind{Group: "config.openshift.io", Kind: "Infrastructure", Resource: "infrastructures"}

var openShiftInfrastructureNames = []string{"/cluster"}

// OpenShiftAPIServer is where nodes reach the apiserver.
var OpenShiftAPIServer = add(Claimant{
	Kind:   "openshift.apiServerInternalIP",
	Role:   claim.ControlPlane,
	Doc:    "`status.platformStatus.*.apiServerInternalIPs` of OpenShift's Infrastructure: the nodes reach the apiserver there.",
	Of:     openShiftInfrastructureKind,
	Names:  openShiftInfrastructureNames,
	Fields: []string{"status.platformStatus.*<any>.apiServerInternalIPs[]", "status.platformStatus.*<any>.apiServerInternalIP"},
	Object: platformAddresses("apiServerInternalIPs", "apiServerInternalIP", controlPlane),
})

// OpenShiftIngress is where users reach OpenShift's router.
var OpenShiftIngress = add(Claimant{
	Kind:   "openshift.ingressIP",
	Role:   claim.Reserved,
	Doc:    "`status.platformStatus.*.ingressIPs` of OpenShift's Infrastructure: users reach the default ingress controller there.",
	Of:     openShiftInfrastructureKind,
	Names:  openShiftInfrastructureNames,
	Fields: []string{"status.platformStatus.*<any>.ingressIPs[]", "status.platformStatus.*<any>.ingressIP"},
	Object: platformAddresses("ingressIPs", "ingressIP", snapshot.Ref{}),
})

// platformAddresses reads a list, or the single field that it replaced.
func platformAddresses(several, single string, owner snapshot.Ref) func(*snapshot.Object, Yield) {
	return func(o *snapshot.Object, yield Yield) {
		for _, platform := range o.Field("status", "platformStatus").Entries() {
			fields := items(platform.Get(several))
			if f := platform.Get(single); len(fields) == 0 && given(f) {
				fields = []snapshot.Field{f}
			}
			for _, f := range fields {
				c := addr(f)
				c.Owner = owner
				yield(c)
			}
		}
	}
}
