// SPDX-License-Identifier: Apache-2.0

// Package bypass is about the routing rules by which a host passes over its local
// table for one address. A host that has another's address on a service device talks
// to itself because the local table is asked first. With a bypass it sends to the
// owner, and takes the owner's packets, although the address stays on the device:
//
//	0:  from all to 192.168.10.114 goto 1
//	0:  from all lookup local
//	1:  from all nop
//	32766:  from all lookup main
//
// The goto leads over the local table alone: all other rules still hold. Rules of one
// preference stand in the order in which they came (linux net/core/fib_rules.c
// fib_nl_newrule), so the local table's rule is put a second time, behind the goto, and
// then the first of the two is taken (fib_nl_delrule takes the first that matches). The
// local table is never without a rule, and its rule never leaves its place: whoever
// flushes the others leaves a host that works.
//
// It is pure: package keep puts what is planned here into a kernel.
package bypass

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"whohas/dataplane"
)

// Purpose says for how long a bypass is meant to stand. In the kernel they differ by
// where the goto leads: a repair's to the preference behind the local table's rule, a
// shield's one further. Both pass over the local table alone.
type Purpose int

// The purposes.
const (
	Repair Purpose = 1 // until the address is off the service device
	Shield Purpose = 2 // for as long as the host is up
)

// String is the purpose in a word.
func (p Purpose) String() string {
	if p == Shield {
		return "shield"
	}
	return "repair"
}

// Change is one step: a rule, or a route, that is put or taken. One of the two is set.
// Of several rules that match, the first is taken.
type Change struct {
	Take  bool
	Rule  dataplane.Rule
	Route dataplane.Route // its Table is set
}

// ErrNoPlace wraps why rules of others leave no place for a bypass.
var ErrNoPlace = errors.New("no place for a routing rule")

// Put plans the steps by which a host passes over its local table for addresses, of
// either family. After each step the host works as before, but for these addresses.
// Nothing is planned for an address that is passed over already for the purpose, or,
// in a repair, for any.
func Put(h *dataplane.Host, purpose Purpose, ips ...netip.Addr) ([]Change, error) {
	var out []Change
	for _, family := range []int{4, 6} {
		c := newChain(h, family)
		_, err := c.local() // without a rule of the local table nothing is passed over
		for _, ip := range ips {
			if familyOf(ip) != family {
				continue
			}
			out = append(out, sourceRoute(h, ip)...)
			if err != nil || !c.has(purpose, ip) && (purpose == Shield || !c.decides(ip).over) {
				c.wanted = append(c.wanted, ip)
			}
		}
		if len(c.wanted) == 0 {
			continue
		}
		if err = c.put(purpose); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoPlace, err)
		}
		out = append(out, c.changes...)
	}
	return out, nil
}

// Take plans the steps that take bypasses back, of any purpose; of some addresses, or
// of all if none is named. It also ends what an interrupted Put has left.
func Take(h *dataplane.Host, purpose Purpose, ips ...netip.Addr) []Change {
	var out []Change
	for _, family := range []int{4, 6} {
		c := newChain(h, family)
		for _, b := range c.bypasses() {
			if b.Purpose == purpose && (len(ips) == 0 || slices.Contains(ips, b.IP)) {
				c.take(b.Rule)
			}
		}
		c.tidy()
		out = append(out, c.changes...)
		for _, r := range h.Routes {
			ip := r.To.Addr()
			gone := len(ips) == 0 || slices.Contains(ips, ip)
			if isSourceRoute(r) && familyOf(ip) == family && gone && !c.has(Repair, ip) && !c.has(Shield, ip) {
				out = append(out, Change{Take: true, Route: r})
			}
		}
	}
	return out
}

// Bypass is a rule of ours in a kernel.
type Bypass struct {
	IP      netip.Addr
	Purpose Purpose
	InForce bool // the local table is passed over, and another has a route to the address
	Rule    dataplane.Rule
}

// Of lists the bypasses that a host has, by address.
func Of(h *dataplane.Host) []Bypass {
	var out []Bypass
	for _, family := range []int{4, 6} {
		out = append(out, newChain(h, family).bypasses()...)
	}
	slices.SortStableFunc(out, func(a, b Bypass) int { return a.IP.Compare(b.IP) })
	return out
}

// Over reports whether a host passes over its local table for an address, by whose rule
// ever, and has a route to it: what the host itself sends leaves by that route. It is
// false where the rules or routes were not read.
func Over(h *dataplane.Host, ip netip.Addr) (dataplane.Rule, bool) {
	d := newChain(h, familyOf(ip)).decides(ip)
	return d.rule, d.over
}

func familyOf(ip netip.Addr) int {
	if ip.Is6() {
		return 6
	}
	return 4
}
