// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"strings"

	"whohas/claim"
	"whohas/cluster"
	"whohas/snapshot"
)

// KubeVIPPool is a pool of kube-vip-cloud-provider: a namespace's or, with the
// name global, everybody's (kube-vip-cloud-provider pkg/provider/loadBalancer.go
// discoverPool, v0.0.12).
var KubeVIPPool = add(Claimant{
	Kind:   "kubevip.pool",
	Role:   claim.Pool,
	Doc:    "`cidr-*` and `range-*` in the ConfigMap kube-system/kubevip: kube-vip-cloud-provider gives Services these addresses.",
	Of:     cluster.ConfigMapKind,
	Names:  []string{"kube-system/kubevip"},
	Fields: []string{"data.cidr-*", "data.range-*", "data.skip-end-ips-in-cidr"},
	Object: func(o *snapshot.Object, yield Yield) {
		keepsEnds := o.Field("data", "skip-end-ips-in-cidr").Is()
		for key, f := range o.Field("data").Entries() {
			isCIDR := strings.HasPrefix(key, "cidr-")
			if isCIDR || strings.HasPrefix(key, "range-") {
				yieldKubeVIPPool(f, isCIDR && keepsEnds, yield)
			}
		}
	},
})

// yieldKubeVIPPool: only of IPv4 CIDRs are the ends kept back
// (kube-vip-cloud-provider pkg/ipam/addressbuilder.go buildHostsFromCidr).
func yieldKubeVIPPool(f snapshot.Field, keepsEnds bool, yield Yield) {
	if strings.TrimSpace(f.Text()) == "0.0.0.0/32" {
		return // every Service gets 0.0.0.0, which tells kube-vip to ask DHCP
	}
	for _, entry := range list(f) {
		c := span(entry)
		if keepsEnds && c.Range.From.Is4() {
			c.Range = withoutEnds(c.Range)
		}
		c.Agent = AgentKubeVIP
		yield(c)
	}
}
