// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

var gatewayKind = snapshot.Kind{Group: "gateway.networking.k8s.io", Kind: "Gateway", Resource: "gateways", Namespaced: true}

// GatewayAddress is spec.addresses of a Gateway.
var GatewayAddress = add(Claimant{
	Kind:   "gateway.address",
	Role:   claim.Request,
	Doc:    "`spec.addresses` of a Gateway (type IPAddress): asks the gateway's controller for an address.",
	Of:     gatewayKind,
	Fields: []string{"spec.addresses[].type", "spec.addresses[].value", "spec.gatewayClassName", "spec.listeners[].port<int>", "spec.listeners[].protocol"},
	Object: func(o *snapshot.Object, yield Yield) {
		ports := gatewayPorts(o)
		for a := range o.Field("spec", "addresses").Items() {
			// type defaults to IPAddress; an empty value asks for any address.
			if t := a.Get("type").Text(); (t == "" || t == "IPAddress") && given(a.Get("value")) {
				c := addr(a.Get("value"))
				c.Ports = ports
				yield(c)
			}
		}
	},
})

func gatewayPorts(o *snapshot.Object) claim.Ports {
	var ports claim.Ports
	for l := range o.Field("spec", "listeners").Items() {
		n := l.Get("port").Int()
		if n <= 0 || n >= 1<<16 {
			continue
		}
		p := snapshot.Port{Proto: "TCP", Number: uint16(n)}
		if l.Get("protocol").Text() == "UDP" {
			p.Proto = "UDP"
		}
		ports = append(ports, p)
	}
	return ports
}
