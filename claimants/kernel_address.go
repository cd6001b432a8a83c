// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/dataplane"
	"whohas/kubeproxy"
)

// KernelAddress is an address on a device of a host.
var KernelAddress = add(Claimant{
	Kind: "kernel.address",
	Role: claim.Host,
	Doc:  "An address on a device of a host: the host's own on a card and on what carries the default route, a tunnel's on a tunnel device, and only seen there where it is a virtual IP, a bridge's or a dummy's.",
	Host: func(h *dataplane.Host, yield Yield) {
		for _, a := range h.Addresses {
			ip := plain(a.Prefix.Addr())
			if !ofOneHost(ip) || kubeproxy.IsDevice(a.Link) || isDummy(linkOf(h, a.Link)) && a.Prefix.IsSingleIP() {
				continue
			}
			c := kernelClaim(h, ip, a.Link)
			c.Text, c.Role = a.Prefix.String(), addressRole(h, a)
			if c.Role == claim.Host || c.Role == claim.Tunnel {
				c.Scope = claim.Scope{} // others mean this host by it
			}
			yield(c)
		}
	},
})
