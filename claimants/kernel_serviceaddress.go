// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/dataplane"
	"whohas/kubeproxy"
)

// KernelServiceAddress is an address on a service proxy's own device.
var KernelServiceAddress = add(Claimant{
	Kind: "kernel.serviceAddress",
	Role: claim.Observed,
	Doc:  "An address on " + kubeproxy.IPVSDevice + " (kube-proxy) or " + kubeproxy.RouterDevice + " (kube-router): the host takes all traffic to it for its own, whoever else has it.",
	Host: func(h *dataplane.Host, yield Yield) {
		for _, a := range h.Addresses {
			ip := plain(a.Prefix.Addr())
			if !kubeproxy.IsDevice(a.Link) || !ofOneHost(ip) {
				continue
			}
			c := kernelClaim(h, ip, a.Link)
			c.Text = a.Prefix.String()
			yield(c)
		}
	},
})
