// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/dataplane"
	"whohas/kubeproxy"
)

// KernelLocalRoute is an address that a host takes for its own without having it
// on a network.
var KernelLocalRoute = add(Claimant{
	Kind: "kernel.localRoute",
	Role: claim.Observed,
	Doc:  "A single address that a host delivers to itself: on lo or another dummy device, or by a route of type local to an address that is on no device.",
	Host: func(h *dataplane.Host, yield Yield) {
		onDevice := map[netip.Addr]bool{}
		for _, a := range h.Addresses {
			ip := plain(a.Prefix.Addr())
			onDevice[ip] = true
			if ofOneHost(ip) && a.Prefix.IsSingleIP() && !kubeproxy.IsDevice(a.Link) && isDummy(linkOf(h, a.Link)) {
				c := kernelClaim(h, ip, a.Link)
				c.Text = a.Prefix.String()
				yield(c)
			}
		}
		if slices.Contains(h.Unread, "addresses") {
			return
		}
		for _, r := range h.Routes {
			// Wider ones are there for transparent proxies, which mark what they want.
			if r.Type != "local" || !r.To.IsSingleIP() || onDevice[plain(r.To.Addr())] || !ofOneHost(plain(r.To.Addr())) {
				continue
			}
			c := kernelClaim(h, plain(r.To.Addr()), strings.TrimSuffix(fmt.Sprintf(routeTable, r.Table, r.Link), " dev "))
			c.Text = r.To.String()
			yield(c)
		}
	},
})

const routeTable = "routing table %d dev %s"

// LocalRoute is the table and device of a claim by a route alone; ok is false
// where the address is on a device.
func LocalRoute(c claim.Claim) (table int, link string, ok bool) {
	n, _ := fmt.Sscanf(c.Origin.Table, routeTable, &table, &link) // a route without a device ends early
	return table, link, c.Kind == KernelLocalRoute.Kind && n > 0
}
