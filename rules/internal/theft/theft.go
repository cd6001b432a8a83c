// SPDX-License-Identifier: Apache-2.0

// Package theft finds the hosts that deliver to themselves, or lead elsewhere, what is
// another host's, and what shows whose it is.
package theft

import (
	"slices"

	"whohas/bypass"
	"whohas/claim"
	"whohas/claimants"
	"whohas/rule"
	"whohas/rules/internal/pick"
)

// Theft is who holds an address that is another's, and what shows whose it is.
type Theft struct{ Held, Owners []claim.Claim }

// Stolen finds out of the hosts that deliver the key's address to themselves those
// that have no right to it.
func Stolen(p *rule.Pass) Theft {
	return TakenFrom(p, claimants.KernelServiceAddress.Kind, claimants.KernelLocalRoute.Kind)
}

// TakenFrom finds out of the hosts with claims of some kinds on the key's address those
// that have no right to it.
func TakenFrom(p *rule.Pass, kinds ...claim.Kind) Theft {
	var t Theft
	owner := func(c *claim.Claim) bool {
		return c.Role&(claim.Host|claim.Tunnel|claim.ControlPlane|claim.Reserved) != 0 && c.Range == p.Key.Range
	}
	if !p.Key.Range.IsSingle() || !p.Any(owner) {
		return t
	}
	on := pick.OnKey(p, ^claim.Roles(0))
	r := rightsOn(on)
	for _, h := range pick.OfKind(on, kinds...) {
		owners := ownersAgainst(p, h, r)
		if len(owners) == 0 {
			continue
		}
		t.Held = append(t.Held, h)
		if !sameClaims(t.Owners, owners) { // mostly each host holds it against the same
			t.Owners = append(t.Owners, owners...)
		}
	}
	slices.SortFunc(t.Owners, claim.Compare)
	t.Owners = slices.CompactFunc(t.Owners, func(a, b claim.Claim) bool { return claim.Compare(a, b) == 0 })
	return t
}

// PassedOver parts the hosts that hold the key's address: those that deliver it to
// themselves, and those that pass over it by a routing rule.
func PassedOver(p *rule.Pass, held []claim.Claim) (at, over []claim.Claim) {
	for _, h := range held {
		host := p.Objects.Host(h.Origin.Host)
		passes := false
		if host != nil {
			_, passes = bypass.Over(host, p.Key.Range.From)
		}
		if passes {
			over = append(over, h)
		} else {
			at = append(at, h)
		}
	}
	return at, over
}

func sameClaims(a, b []claim.Claim) bool {
	return len(a) > 0 && len(a) == len(b) && (&a[0] == &b[0] || slices.EqualFunc(a, b, func(x, y claim.Claim) bool { return claim.Compare(x, y) == 0 }))
}

// Takers are the claimants of a takeover: who takes, from whom, and the kernels
// that show it. What a kernel holds it holds on behalf of who takes.
func Takers(p *rule.Pass, intruders, owners []claim.Claim) []rule.Claimant {
	held := slices.Clone(Stolen(p).Held)
	for i := range held {
		held[i].Owner = intruders[0].Owner
	}
	return pick.ClaimantsOf(intruders, owners, held)
}

// Bearers say as well that the address is somebody's.
func Bearers(p *rule.Pass) []claim.Claim {
	return pick.OnKey(p, claim.Host|claim.ControlPlane|claim.Tunnel|claim.Reserved)
}

// Verb is the word for one host, or for several.
func Verb(held []claim.Claim, one, many string) string {
	if len(pick.HostNames(held)) == 1 {
		return one
	}
	return many
}
