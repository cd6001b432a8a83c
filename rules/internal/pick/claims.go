// SPDX-License-Identifier: Apache-2.0

// Package pick chooses among the claims that a rule is asked about, and names them: who
// takes what from whom, which hosts, which addresses, which ports.
package pick

import (
	"slices"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/rule"
	"whohas/snapshot"
)

// OnKey lists the claims in some roles on exactly the key's range.
func OnKey(p *rule.Pass, roles claim.Roles) []claim.Claim {
	return slices.DeleteFunc(p.Others(roles), func(c claim.Claim) bool { return c.Range != p.Key.Range })
}

// ClaimantsOf are the claimants of a finding, by the part that each has.
func ClaimantsOf(intruders, owners, witnesses []claim.Claim) []rule.Claimant {
	return slices.Concat(rule.Claimants(rule.Intruder, intruders...), rule.Claimants(rule.Owner, owners...), rule.Claimants(rule.Witness, witnesses...))
}

// Against tells who takes what from whom: the subjects that claim what is
// somebody else's, and the claims of the others that are not every subject's
// own. That one subject names what is its own hides nobody who takes it.
func Against(subjects, others []claim.Claim) (intruders, owners []claim.Claim) {
	by, of := holdersOf(subjects), holdersOf(others)
	for _, s := range subjects {
		if of.Beside(s.Owner) {
			intruders = append(intruders, s)
		}
	}
	for _, o := range others {
		if by.Beside(o.Owner) {
			owners = append(owners, o)
		}
	}
	return intruders, owners
}

// Foreign lists the claims that are made on behalf of none of the subjects'
// owners: one owner in several fields is no conflict.
func Foreign(subjects, others []claim.Claim) []claim.Claim {
	own := make(map[snapshot.Ref]bool, len(subjects))
	for _, s := range subjects {
		own[s.Owner] = true
	}
	return slices.DeleteFunc(others, func(o claim.Claim) bool { return own[o.Owner] })
}

// OfKind keeps the claims of some kinds.
func OfKind(claims []claim.Claim, kinds ...claim.Kind) []claim.Claim {
	return claim.Select(claims, func(c *claim.Claim) bool { return slices.Contains(kinds, c.Kind) })
}

// Others are the Nodes beside the owner.
func Others(f *cluster.Facts, owner string) []string {
	var names []string
	for _, n := range f.Nodes {
		if n.Name != owner {
			names = append(names, n.Name)
		}
	}
	if len(names) == 0 {
		return []string{"the other nodes"}
	}
	return names
}

// WithoutGateways leaves a Gateway's requests to WH401.
func WithoutGateways(claims []claim.Claim) []claim.Claim {
	var out []claim.Claim
	for _, c := range claims {
		if c.Kind != claimants.GatewayAddress.Kind {
			out = append(out, c)
		}
	}
	return out
}

// NotOfNodes leaves out what stands at a node's own address: WH101 to WH104 judge
// that, and know when it is meant so. Others of a pool's range stay.
func NotOfNodes(p *rule.Pass, owners []claim.Claim) []claim.Claim {
	hosts := map[claim.Range]bool{}
	for _, h := range p.Others(claim.Host) {
		hosts[h.Range] = true
	}
	return slices.DeleteFunc(owners, func(o claim.Claim) bool { return hosts[o.Range] })
}

// BesideNodes leaves what stands at a node's own address out for the intruders who
// are modest: out of the owners if all of them are, and else out of the intruders
// if nothing else is left to blame them for. In whose company an intruder is found
// makes it no worse.
func BesideNodes(p *rule.Pass, intruders, owners []claim.Claim, modest func(claim.Claim) bool) (by, of []claim.Claim) {
	bold := slices.DeleteFunc(slices.Clone(intruders), modest)
	switch left := NotOfNodes(p, slices.Clone(owners)); {
	case len(bold) == 0:
		return intruders, left
	case len(left) == 0:
		return bold, owners
	}
	return intruders, owners
}

// InRole are the claims in one of some roles.
func InRole(claims []claim.Claim, role claim.Roles) []claim.Claim {
	return claim.Select(claims, func(c *claim.Claim) bool { return c.Role&role != 0 })
}

// Covering keeps the ranges that hold the whole key.
func Covering(p *rule.Pass, ranges []claim.Claim) []claim.Claim {
	var out []claim.Claim
	for _, c := range ranges {
		if c.Range.Covers(p.Key.Range) {
			out = append(out, c)
		}
	}
	return out
}

// Once keeps the first claim of each object.
func Once(claims []claim.Claim) []claim.Claim {
	seen := map[snapshot.Ref]bool{}
	return slices.DeleteFunc(slices.Clone(claims), func(c claim.Claim) bool {
		again := seen[c.By]
		seen[c.By] = true
		return again
	})
}
