// SPDX-License-Identifier: Apache-2.0

// Package monitor hears what the kernel announces about addresses, devices and routing
// rules, as ip monitor does.
package monitor

import (
	"errors"
	"net/netip"
)

// ErrMissed says that announcements are missing: the kernel had more than there was
// room for. Whoever goes by them lists everything again.
var ErrMissed = errors.New("announcements are missing")

// Of says what a change is of.
type Of int

// What changes are of.
const (
	Address Of = iota + 1 // on the device Index
	Link                  // the device Index has gone, with all its addresses
	Rule                  // of the routing policy, whichever
)

// Change is one announcement.
type Change struct {
	Of     Of
	Gone   bool
	Index  int          // of the device
	Prefix netip.Prefix // of an address
}
