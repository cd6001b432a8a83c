// SPDX-License-Identifier: Apache-2.0

package pick

import (
	"slices"

	"whohas/claim"
	"whohas/snapshot"
)

// PortsOn are the ports that claims are about.
func PortsOn(claims []claim.Claim) map[snapshot.Port]bool {
	ports := map[snapshot.Port]bool{}
	for _, c := range claims {
		for _, port := range c.Ports {
			ports[port] = true
		}
	}
	return ports
}

// TakePort reports whether one of the claims is about one of the ports.
func TakePort(claims []claim.Claim, ports map[snapshot.Port]bool) bool {
	for _, c := range claims {
		if slices.ContainsFunc(c.Ports, func(port snapshot.Port) bool { return ports[port] }) {
			return true
		}
	}
	return false
}
