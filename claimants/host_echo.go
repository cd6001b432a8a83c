// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"strings"

	"whohas/claim"
	"whohas/dataplane"
)

// HostEcho is who answered for an address on a wire.
var HostEcho = add(Claimant{
	Kind: "wire.answer",
	Role: claim.Observed,
	Doc:  "A hardware address that answered ARP or NDP for an address. Any node may answer for a service address: an answer alone says nothing about whose it is.",
	Host: func(h *dataplane.Host, yield Yield) {
		for _, e := range h.Replies {
			if ip := plain(e.IP); ofOneHost(ip) && len(e.MACs) > 0 {
				c := kernelClaim(h, ip, "wire at "+e.Link)
				c.Text = strings.Join(e.MACs, ", ")
				yield(c)
			}
		}
	},
})
