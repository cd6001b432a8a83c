// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// isLoadBalancer reports whether load-balancer controllers look at a Service:
// they ignore their annotations on the other types.
func isLoadBalancer(o *snapshot.Object) bool { return o.Field("spec", "type").Text() == "LoadBalancer" }

// firstAnnotation is the first annotation that is there, even if it is empty:
// the later keys are older names of the same setting.
func firstAnnotation(o *snapshot.Object, keys ...string) snapshot.Field {
	for _, k := range keys {
		if f := o.Annotation(k); f.OK() {
			return f
		}
	}
	return snapshot.Field{}
}

// requested claims the addresses that a comma-separated annotation of a
// LoadBalancer Service asks a controller for.
func requested(agent string, keys ...string) func(*snapshot.Object, Yield) {
	return func(o *snapshot.Object, yield Yield) {
		if !isLoadBalancer(o) {
			return
		}
		of := commonOf(o)
		for _, f := range list(firstAnnotation(o, keys...)) {
			yield(of(askedOf(f, agent)))
		}
	}
}

// askedOf is an address that a controller is asked for.
func askedOf(f snapshot.Field, agent string) claim.Claim {
	c := addr(f)
	c.Agent = agent
	return c
}
