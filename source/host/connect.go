// SPDX-License-Identifier: Apache-2.0

package host

import "net/netip"

// Target is what Connect connects to.
type Target struct {
	What string // whom it is meant for: "apiserver"
	To   netip.AddrPort
	TLS  bool // ask for the certificate, too
}

// maxTargets is how many are dialled; more are left out.
const maxTargets = 32
