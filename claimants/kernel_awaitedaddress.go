// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"net/netip"
	"slices"

	"whohas/claim"
	"whohas/dataplane"
	"whohas/kubeproxy"
)

// KernelAwaitedAddress is an address that kube-proxy's own device lacks.
var KernelAwaitedAddress = add(Claimant{
	Kind: "kernel.awaitedAddress",
	Role: claim.Observed,
	Doc:  "An address that IPVS serves and an ipset has as external, and that is on no device of the host: somebody has taken it off " + kubeproxy.IPVSDevice + ", and kube-proxy puts it back at its next sync (kubernetes pkg/proxy/ipvs/proxier.go syncService, bindAddr).",
	Host: func(h *dataplane.Host, yield Yield) {
		if slices.Contains(h.Unread, "addresses") || !slices.ContainsFunc(h.Links, func(l dataplane.Link) bool { return l.Name == kubeproxy.IPVSDevice }) {
			return
		}
		seen := map[netip.Addr]bool{}
		for _, v := range h.Servers {
			ip := plain(v.IP)
			set := externalSet(h, ip)
			if v.Mark != 0 || seen[ip] || !ofOneHost(ip) || set == "" || onAnyDevice(h, ip) {
				continue
			}
			seen[ip] = true
			c := kernelClaim(h, ip, "ipset "+set)
			c.Text = netip.PrefixFrom(ip, ip.BitLen()).String()
			yield(c)
		}
	},
})

// externalSet is the ipset of kube-proxy that has an address for a Service's external
// or load-balancer address.
func externalSet(h *dataplane.Host, ip netip.Addr) string {
	for i := range h.Sets {
		s := &h.Sets[i]
		field := kubeproxy.SetField(s.Name)
		if (field == kubeproxy.FieldExternalIP || field == kubeproxy.FieldLoadBalancer) && s.Has(ip) {
			return s.Name
		}
	}
	return ""
}

func onAnyDevice(h *dataplane.Host, ip netip.Addr) bool {
	return slices.ContainsFunc(h.Addresses, func(a dataplane.Address) bool { return plain(a.Prefix.Addr()) == ip })
}
