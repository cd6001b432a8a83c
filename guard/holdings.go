// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"

	"whohas/claim"
	"whohas/snapshot"
)

// holdings are what an object claimed, made to look up whether a claim is a part of it: a
// list of a thousand addresses is held up against another of a thousand.
type holdings map[title][]*holding

// title is all of a claim but the place and the ports.
type title struct {
	kind         claim.Kind
	role         claim.Role
	share, agent string
	owner        snapshot.Ref
	scope        claim.Scope
}

// holding are the claims of one title with the same ports.
type holding struct {
	ports  claim.Ports
	has    map[snapshot.Port]bool
	known  map[portList]bool // lists of ports that were asked for
	places map[place]bool
	ranges []claim.Range // by their beginning; each reaches as far as one of those before it
}

// place is an address as it is written and as it is read. What nobody could read and what
// is read now are two, though the text is the same: Calico takes a list, and no bare address.
type place struct {
	text string
	at   claim.Range
}

// portList is a list of ports without its text: claims of one object share it.
type portList struct {
	first *snapshot.Port
	n     int
}

// mostPortLists bounds the lists of ports of one title. An object has one, for all of its
// addresses; what it claims with more than these is judged as if it were new.
const mostPortLists = 16

func titleOf(c *claim.Claim) title {
	return title{c.Kind, c.Role, c.Share, c.Agent, c.Owner, c.Scope}
}

func holdingsOf(claims []claim.Claim) holdings {
	out := holdings{}
	for i := range claims {
		c := &claims[i]
		h := out.with(c)
		h.places[place{c.Text, c.Range}] = true
		if c.Range.IsValid() {
			h.ranges = append(h.ranges, c.Range)
		}
	}
	for _, list := range out {
		for _, h := range list {
			h.sort()
		}
	}
	return out
}

// with finds the holding of a claim's title and ports, or makes it.
func (h holdings) with(c *claim.Claim) *holding {
	t := titleOf(c)
	for _, x := range h[t] {
		if sameList(x.ports, c.Ports) {
			return x
		}
	}
	x := &holding{ports: c.Ports, has: map[snapshot.Port]bool{}, known: map[portList]bool{}, places: map[place]bool{}}
	for _, p := range c.Ports {
		x.has[p] = true
	}
	if len(h[t]) < mostPortLists {
		h[t] = append(h[t], x)
	}
	return x
}

// sameList: claims of one object share their list of ports, which may be long.
func sameList(a, b claim.Ports) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

func (h *holding) sort() {
	slices.SortFunc(h.ranges, claim.Range.Compare)
	for i := range h.ranges[min(1, len(h.ranges)):] {
		if last := h.ranges[i]; h.ranges[i+1].To.Is4() == last.To.Is4() && h.ranges[i+1].To.Less(last.To) {
			h.ranges[i+1].To = last.To
		}
	}
}

// hold reports whether a claim is one of these, or a part of one.
func (h holdings) hold(c *claim.Claim) bool {
	return slices.ContainsFunc(h[titleOf(c)], func(x *holding) bool {
		return (x.places[place{c.Text, c.Range}] || canonical(c) && x.covered(c.Range)) && x.allows(c.Ports)
	})
}

// covered reports whether a range lies in one that was held. Of those that begin no later,
// the last one reaches as far as any.
func (h *holding) covered(r claim.Range) bool {
	if !r.IsValid() {
		return false
	}
	n, _ := slices.BinarySearchFunc(h.ranges, r, func(held, r claim.Range) int {
		if held.From.Compare(r.From) <= 0 {
			return -1
		}
		return 1
	})
	return n > 0 && h.ranges[n-1].To.Is4() == r.To.Is4() && !h.ranges[n-1].To.Less(r.To)
}

// allows reports whether ports are among those that were held; none is the whole address.
func (h *holding) allows(ports claim.Ports) bool {
	if len(h.ports) == 0 || len(ports) == 0 {
		return len(h.ports) == 0
	}
	list := portList{&ports[0], len(ports)}
	all, asked := h.known[list]
	if !asked {
		all = !slices.ContainsFunc(ports, func(p snapshot.Port) bool { return !h.has[p] })
		h.known[list] = all
	}
	return all
}
