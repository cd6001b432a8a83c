// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/dataplane"
	"whohas/snapshot"
)

// KernelVirtualServer is an IPVS service.
var KernelVirtualServer = add(Claimant{
	Kind: "kernel.virtualServer",
	Role: claim.Observed,
	Doc:  "An IPVS virtual server of a host: traffic to the address and port that comes by goes to its real servers.",
	Host: func(h *dataplane.Host, yield Yield) {
		for _, v := range h.Servers {
			if v.Mark != 0 || !ofOneHost(plain(v.IP)) {
				continue
			}
			c := kernelClaim(h, plain(v.IP), "ipvs")
			c.Ports = claim.Ports{snapshot.Port{Proto: v.Proto, Number: v.Port}}
			yield(c)
		}
	},
})
