// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// ServiceClusterIP is spec.clusterIPs.
var ServiceClusterIP = add(Claimant{
	Kind:   "service.clusterIP",
	Role:   claim.ClusterIP,
	Doc:    "`spec.clusterIPs` of a Service, allocated by the apiserver from a ServiceCIDR.",
	Of:     serviceKind,
	Fields: service("spec.clusterIPs[]"),
	Object: func(o *snapshot.Object, yield Yield) {
		fields := []snapshot.Field{o.Field("spec", "clusterIP")}
		for f := range o.Field("spec", "clusterIPs").Items() {
			fields = append(fields, f)
		}
		of := commonOf(o)
		for i, f := range fields {
			if !given(f) || f.Text() == "None" || i > 0 && f.Text() == fields[0].Text() {
				continue
			}
			yield(of(addr(f)))
		}
	},
})
