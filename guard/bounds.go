// SPDX-License-Identifier: Apache-2.0

package guard

import "fmt"

// What a request may newly claim at once. No more is judged: whoever may make a Service
// could else have a guard work for minutes. A Service has a handful of addresses, a slice
// a thousand endpoints at the most (kubernetes pkg/apis/discovery/validation
// maxEndpoints).
const (
	mostClaims = 1_000
	mostParts  = 20_000 // each port of each claim
)

// beyond says why a request is not judged; "": it is. What was claimed before does not
// count: an object that is larger can be changed, and made smaller.
func (c *change) beyond() string {
	had := holdingsOf(c.before)
	claims, parts := 0, 0
	for i := range c.now {
		if !had.hold(&c.now[i]) {
			claims++
			parts += max(1, len(c.now[i].Ports))
		}
	}
	switch {
	case claims > mostClaims:
		return fmt.Sprintf("it newly claims %d addresses and ranges, and no more than %d at once are judged", claims, mostClaims)
	case parts > mostParts:
		return fmt.Sprintf("it newly claims %d ports of addresses, and no more than %d at once are judged", parts, mostParts)
	}
	return ""
}
