// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// ServiceExternalIP is spec.externalIPs.
var ServiceExternalIP = add(Claimant{
	Kind:   "service.externalIP",
	Role:   claim.VIP,
	Doc:    "`spec.externalIPs` of a Service: kube-proxy takes traffic to the address on every node. The apiserver does not check whose it is.",
	Of:     serviceKind,
	Fields: service("spec.externalIPs[]"),
	Object: func(o *snapshot.Object, yield Yield) {
		if !programmed(o) {
			return
		}
		of := commonOf(o)
		for f := range o.Field("spec", "externalIPs").Items() {
			if given(f) {
				yield(of(addr(f)))
			}
		}
	},
})
