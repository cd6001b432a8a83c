// SPDX-License-Identifier: Apache-2.0

package claimants

import "whohas/snapshot"

// annotatedAddresses claims the addresses in annotations of a Node: one or
// several with commas between, each with its subnet's prefix length or without.
func annotatedAddresses(keys ...string) func(*snapshot.Object, Yield) {
	return func(o *snapshot.Object, yield Yield) {
		for _, k := range keys {
			for _, f := range list(o.Annotation(k)) {
				yieldHost(f, yield)
			}
		}
	}
}

// yieldHost claims a host's address, written with its subnet's prefix length or
// without. Nobody has 0.0.0.0: agents write it for a family that they do not use.
func yieldHost(f snapshot.Field, yield Yield) {
	c := addr(part(f, withoutPrefix(f.Text())))
	if !c.Range.IsValid() || ofOneHost(c.Range.From) {
		yield(c)
	}
}
