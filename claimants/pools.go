// SPDX-License-Identifier: Apache-2.0

package claimants

import "whohas/snapshot"

// yieldPool claims each given entry, an address, CIDR or range, as a pool's.
func yieldPool(entries []snapshot.Field, agent string, yield Yield) {
	for _, f := range entries {
		if given(f) {
			c := span(f)
			c.Agent = agent
			yield(c)
		}
	}
}
