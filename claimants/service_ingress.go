// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// ServiceIngress is status.loadBalancer.ingress.
var ServiceIngress = add(Claimant{
	Kind:   "service.ingressIP",
	Role:   claim.VIP,
	Doc:    "`status.loadBalancer.ingress[].ip` of a Service, written by a load-balancer controller: kube-proxy takes traffic to it on every node, unless ipMode is Proxy.",
	Of:     serviceKind,
	Fields: service("status.loadBalancer.ingress[].ip", "status.loadBalancer.ingress[].ipMode"),
	Object: func(o *snapshot.Object, yield Yield) {
		if !programmed(o) {
			return
		}
		of := commonOf(o)
		for f := range o.Field("status", "loadBalancer", "ingress").Items() {
			if !given(f.Get("ip")) || asksDHCP(f.Get("ip").Text()) {
				continue
			}
			c := of(addr(f.Get("ip")))
			// kubernetes pkg/proxy/serviceport.go LoadBalancerVIPs: ipMode Proxy
			// is never programmed on the nodes (KEP-1860).
			if f.Get("ipMode").Text() == "Proxy" {
				c.Role = claim.Observed
			}
			yield(c)
		}
	},
})
