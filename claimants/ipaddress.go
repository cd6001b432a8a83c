// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// IPAddress is the apiserver's own note that a ClusterIP is taken: its name is
// the address, and its parent the Service (KEP-1880; kubernetes
// staging/src/k8s.io/api/networking/v1/types.go, 1.33). The Service is the owner,
// so that its own clusterIP is no second claim.
var IPAddress = add(Claimant{
	Kind:   "ipaddress.clusterIP",
	Role:   claim.ClusterIP,
	Doc:    "An IPAddress, whose name is the address: the apiserver allocated it to the Service in `spec.parentRef`.",
	Of:     snapshot.Kind{Group: "networking.k8s.io", Kind: "IPAddress", Resource: "ipaddresses"},
	Fields: []string{"spec.parentRef.group", "spec.parentRef.resource", "spec.parentRef.namespace", "spec.parentRef.name"},
	Object: func(o *snapshot.Object, yield Yield) {
		if f := o.Field("metadata", "name"); given(f) {
			c := addr(f)
			c.Owner = addressParent(o)
			yield(c)
		}
	},
})

func addressParent(o *snapshot.Object) snapshot.Ref {
	p := o.Field("spec", "parentRef")
	if p.Get("group").Text() != "" || p.Get("resource").Text() != serviceKind.Resource {
		return o.Ref
	}
	return serviceKind.Ref(p.Get("namespace").Text(), p.Get("name").Text())
}
