// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/dataplane"
	"whohas/snapshot"
)

// KernelGateway is where a host sends what it has no better route for.
var KernelGateway = add(Claimant{
	Kind: "kernel.gateway",
	Role: claim.Reserved,
	Doc:  "The next hop of a host's default route: without it the host reaches nothing but its own subnet.",
	Host: func(h *dataplane.Host, yield Yield) {
		for _, r := range h.Routes {
			if isDefault(r) && r.Via.IsValid() && ofOneHost(plain(r.Via)) {
				c := kernelClaim(h, plain(r.Via), "routing table main")
				c.Text, c.Owner = r.Via.String(), gateway
				yield(c)
			}
		}
	},
})

// gateway is the router that all mean, also who declares it.
var gateway = snapshot.Ref{Kind: "Reserved", Name: "gateway"}
