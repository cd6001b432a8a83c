// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// ServiceCIDR is where the apiserver takes ClusterIPs from (KEP-1880, stable in
// 1.33).
var ServiceCIDR = add(Claimant{
	Kind:   "servicecidr.cidr",
	Role:   claim.ServiceRange,
	Doc:    "`spec.cidrs` of a ServiceCIDR: the apiserver takes ClusterIPs from it.",
	Of:     snapshot.Kind{Group: "networking.k8s.io", Kind: "ServiceCIDR", Resource: "servicecidrs"},
	Fields: []string{"spec.cidrs[]"},
	Object: func(o *snapshot.Object, yield Yield) {
		for _, f := range items(o.Field("spec", "cidrs")) {
			yield(span(f))
		}
	},
})
