// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/bypass"
	"whohas/claim"
	"whohas/dataplane"
)

// KernelBypass is an address that a host passes over its local table for.
var KernelBypass = add(Claimant{
	Kind: "kernel.bypass",
	Role: claim.Observed,
	Doc:  "A routing rule of whohas repair or whohas shield that leads past the local table: the host sends to the address's owner, whatever its own devices hold.",
	Host: func(h *dataplane.Host, yield Yield) {
		for _, b := range bypass.Of(h) {
			if ip := plain(b.IP); ofOneHost(ip) {
				c := kernelClaim(h, ip, "a "+b.Purpose.String()+"'s routing rule")
				c.Text = b.IP.String()
				if !b.InForce {
					c.Origin.Table += ", not in force"
				}
				yield(c)
			}
		}
	},
})
