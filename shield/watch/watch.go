// SPDX-License-Identifier: Apache-2.0

// Package watch keeps a shield in the kernel of this host: it puts the rules again when
// somebody has removed them, and takes one at once when its address comes to a device of
// this host, as a virtual address does when it moves here.
package watch

import (
	"net/netip"
	"time"
)

// Options say what to keep.
type Options struct {
	Addresses []netip.Addr
	Tell      func(Event)   // called with each change, in order; may be nil
	second    time.Duration // between two looks; 0: a second
}

// Event is something that was done or seen.
type Event struct {
	At   time.Time
	IP   netip.Addr // invalid: of all
	Text string
}
