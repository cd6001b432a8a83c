// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"cmp"

	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/dataplane/netfilter"
	"whohas/snapshot"
)

// KernelNAT is what the NAT rules of a host take.
var KernelNAT = add(Claimant{
	Kind: "kernel.nat",
	Role: claim.Observed,
	Doc:  "A NAT rule, or an element of a map of nftables, that gives traffic to the address another destination; made for a Service where it names one.",
	Host: func(h *dataplane.Host, yield Yield) {
		seen := map[string]bool{}
		for _, f := range netfilter.Frontends(h.Tables) {
			if !takesOthers(f) {
				continue
			}
			table := f.Table + " " + cmp.Or(f.Map, f.Chain)
			c := kernelClaim(h, f.To.Addr(), table)
			c.Range, c.Ports = claim.PrefixRange(f.To), frontendPorts(f)
			if f.Service.Namespace != "" && f.Service.Name != "" {
				c.Owner = cluster.ServiceKind.Ref(f.Service.Namespace, f.Service.Name)
			}
			key := c.Range.String() + "|" + c.Ports.String() + "|" + c.Owner.String() + "|" + table
			if !seen[key] { // one rule for what comes from outside and one for what Pods send
				seen[key] = true
				yield(c)
			}
		}
	},
})

// takesOthers leaves out what is every host's own, and rules for everything.
func takesOthers(f netfilter.Frontend) bool {
	return f.To.IsValid() && f.To.Bits() > 0 && ofOneHost(plain(f.To.Addr()))
}

// frontendPorts lists a frontend's ports. A wide range counts as the whole
// address, which it nearly is.
func frontendPorts(f netfilter.Frontend) claim.Ports {
	const most = 256
	if f.Proto == "" || f.Ports.First == 0 || f.Ports.Last-f.Ports.First >= most {
		return nil
	}
	var ports claim.Ports
	for n := int(f.Ports.First); n <= int(f.Ports.Last); n++ {
		ports = append(ports, snapshot.Port{Proto: f.Proto, Number: uint16(n)})
	}
	return ports
}
