// SPDX-License-Identifier: Apache-2.0

package claimants

import "whohas/snapshot"

// yieldRouter claims the address of a BGP peer, which may carry a port
// ("10.0.0.1:179") or the prefix of a single host ("10.0.0.1/32"). A loopback
// peer is a router on each node itself, a link-local one is found on each link:
// neither is one router's.
func yieldRouter(f snapshot.Field, yield Yield) {
	if !given(f) {
		return
	}
	c := addr(part(f, hostOf(withoutPrefix(f.Text()))))
	if !c.Range.IsValid() || ofOneHost(c.Range.From) {
		yield(c)
	}
}
