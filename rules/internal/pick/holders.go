// SPDX-License-Identifier: Apache-2.0

package pick

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"whohas/claim"
	"whohas/snapshot"
)

// LaterFirst orders fields so that a list's later items come first: taking one
// away moves those behind it.
func LaterFirst(a, b string) int {
	return slices.CompareFunc(snapshot.PathKeys(a), snapshot.PathKeys(b), func(a, b string) int {
		m, errM := strconv.Atoi(a)
		n, errN := strconv.Atoi(b)
		if errM == nil && errN == nil {
			return cmp.Compare(n, m)
		}
		return strings.Compare(a, b)
	})
}

// Frontends are who has a port, who has none and so all, and who has some.
type Frontends struct {
	on          map[snapshot.Port]Holders
	whole, Some Holders
}

// FrontendsOf are the owners of claims, by port.
func FrontendsOf(claims []claim.Claim) Frontends {
	f := Frontends{on: map[snapshot.Port]Holders{}}
	for _, c := range claims {
		if len(c.Ports) == 0 {
			f.whole = f.whole.And(c.Owner)
			continue
		}
		f.Some = f.Some.And(c.Owner)
		for _, p := range c.Ports {
			f.on[p] = f.on[p].And(c.Owner)
		}
	}
	return f
}

// Shared lists the ports of a claim that another owner has as well.
func (f Frontends) Shared(c claim.Claim) claim.Ports {
	var ports claim.Ports
	for _, p := range c.Ports {
		if f.whole.Beside(c.Owner) || f.on[p].Beside(c.Owner) {
			ports = append(ports, p)
		}
	}
	return ports
}

// Holders are the owners that have something: who came first, and whether there are
// others.
type Holders struct {
	first         snapshot.Ref
	Taken, shared bool
}

// And are the holders with one more.
func (h Holders) And(owner snapshot.Ref) Holders {
	if !h.Taken {
		return Holders{first: owner, Taken: true}
	}
	h.shared = h.shared || owner != h.first
	return h
}

func holdersOf(claims []claim.Claim) (h Holders) {
	for _, c := range claims {
		h = h.And(c.Owner)
	}
	return h
}

// Beside reports whether somebody else has it.
func (h Holders) Beside(owner snapshot.Ref) bool { return h.Taken && (h.shared || h.first != owner) }

// LaterOwners lists the claims of every owner but the first.
func LaterOwners(claims []claim.Claim) []claim.Claim {
	return claim.Select(claims, func(c *claim.Claim) bool { return c.Owner != claims[0].Owner })
}
