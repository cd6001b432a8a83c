// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"net/netip"

	"whohas/claim"
	"whohas/dataplane"
	"whohas/snapshot"
)

// KernelListener is a socket on which a host waits for traffic.
var KernelListener = add(Claimant{
	Kind: "kernel.listener",
	Role: claim.Listener,
	Doc:  "A socket that listens on an address of a host; one that listens on every address is one on each address that is the host's own.",
	Host: func(h *dataplane.Host, yield Yield) {
		own := ownAddresses(h)
		for _, l := range h.Listeners {
			// kube-proxy up to 1.23 opened the ports of Services itself, so that
			// nobody else would (kubernetes pkg/proxy/util OpenLocalPort).
			if l.Process == "kube-proxy" {
				continue
			}
			table := "sockets"
			if l.Process != "" {
				table = "socket of " + l.Process
			}
			for _, ip := range listened(l, own) {
				c := kernelClaim(h, ip, table)
				c.Ports = claim.Ports{snapshot.Port{Proto: l.Proto, Number: l.Port}}
				yield(c)
			}
		}
	},
})

// listened are the addresses that a socket means. One of [::] takes IPv4 as well,
// unless it says otherwise, which is not known here (linux net/ipv6/af_inet6.c,
// bindv6only).
func listened(l dataplane.Listener, own []netip.Addr) []netip.Addr {
	ip := plain(l.IP)
	if !ip.IsUnspecified() {
		if !ofOneHost(ip) {
			return nil
		}
		return []netip.Addr{ip}
	}
	var out []netip.Addr
	for _, o := range own {
		if o.Is4() || ip.Is6() {
			out = append(out, o)
		}
	}
	return out
}
