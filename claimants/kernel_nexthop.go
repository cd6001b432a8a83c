// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"net/netip"

	"whohas/claim"
	"whohas/dataplane"
)

// KernelNextHop is a machine on a host's subnet that a host sends some traffic through.
var KernelNextHop = add(Claimant{
	Kind: "kernel.nextHop",
	Role: claim.Reserved,
	Doc:  "The next hop of a route of a host that is neither the default route nor through a tunnel: another node, where a network plugin routes Pods without a tunnel (flannel host-gw, Calico without encapsulation), or a router. A next hop is always another machine.",
	Host: func(h *dataplane.Host, yield Yield) {
		seen := map[netip.Addr]bool{}
		for _, r := range h.Routes {
			ip := plain(r.Via)
			plainRoute := r.Type == "unicast" && r.Table == dataplane.TableMain && !isDefault(r) && !isTunnel(linkOf(h, r.Link))
			if !plainRoute || !ofOneHost(ip) || seen[ip] || has(h, ip) || !OnSubnet(h, ip) {
				continue
			}
			seen[ip] = true
			yield(peerClaim(h, ip, "next hop through "+r.Link, "next hop"))
		}
	},
})
