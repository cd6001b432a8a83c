// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"maps"
	"slices"

	"whohas/claim"
	"whohas/rule"
)

// On asks the rules about some keys only: what is wrong with these addresses and
// objects. Symptoms are hidden as far as the same keys show their causes.
func On(in Input, keys []rule.Key) Result {
	e := engine{in: in}
	asked := map[claim.Range]bool{}
	for _, k := range keys {
		asked[k.Range] = k.Range.IsValid()
	}
	var pools []claim.Claim
	for _, r := range merged(slices.Collect(maps.Keys(asked))) {
		pools = slices.AppendSeq(pools, in.View.OverlappingIn(r, claim.Pool))
	}
	e.gather(pools)
	e.share(keys)
	e.overlap(pools, func(r claim.Range) bool { return asked[r] })
	return e.result()
}

// merged joins ranges that meet, so that whoever meets several of them is found less
// often; the invalid one is left out.
func merged(ranges []claim.Range) []claim.Range {
	slices.SortFunc(ranges, claim.Range.Compare)
	var out []claim.Range
	for _, r := range ranges {
		switch n := len(out); {
		case !r.IsValid():
		case n == 0 || !out[n-1].Overlaps(r):
			out = append(out, r)
		case out[n-1].To.Less(r.To):
			out[n-1].To = r.To
		}
	}
	return out
}

// Keys lists the keys on which rules may answer otherwise once some claims, and the
// objects that make them, come, go or change: the claims' own ranges, the ranges
// that they meet in a role that some rule is against, and the objects that claim
// there. The view must hold all the other claims; changed are those before and
// after. The keys are sorted, each once.
func Keys(view claim.View, rules []*rule.Rule, changed []claim.Claim) []rule.Key {
	k := keying{view: view, rules: rules, met: map[contact]bool{}}
	for i := range changed {
		k.claim(&changed[i])
	}
	slices.SortFunc(k.keys, func(a, b rule.Key) int { return cmp.Or(a.Range.Compare(b.Range), a.Ref.Compare(b.Ref)) })
	return slices.Compact(k.keys)
}

// asides are the roles of claims that a rule may ask for without being against
// them: they make its finding worse or milder, or leave it to another rule.
const asides = claim.Host | claim.Listener | claim.ControlPlane

type keying struct {
	view  claim.View
	rules []*rule.Rule
	met   map[contact]bool // what was asked whom it meets
	keys  []rule.Key
}

// contact is what decides whom a claim meets, and what of it.
type contact struct {
	at claim.Range
	as claim.Role
}

func (k *keying) claim(x *claim.Claim) {
	k.keys = append(k.keys, rule.Key{Ref: x.By})
	if !x.Range.IsValid() {
		return
	}
	k.keys = append(k.keys, rule.Key{Range: x.Range})
	if m := (contact{x.Range, x.Role}); k.met[m] {
		return
	} else {
		k.met[m] = true
	}
	ranges, objects := k.moved(x.Role, rule.OnRange)|k.moved(x.Role, rule.OnOverlap), k.moved(x.Role, rule.OnObject)
	if ranges|objects == 0 {
		return
	}
	for c := range k.view.Overlapping(x.Range) {
		if c.Role&ranges != 0 {
			k.keys = append(k.keys, rule.Key{Range: c.Range})
		}
		if c.Role&objects != 0 {
			k.keys = append(k.keys, rule.Key{Ref: c.By})
		}
	}
}

// moved are the roles of the claims about which a rule may answer otherwise because
// of a claim in another role that meets them.
func (k *keying) moved(by claim.Role, on rule.KeyKind) claim.Roles {
	subjects := claim.Roles(0)
	for _, r := range k.rules {
		if r.On == on && (r.Against == 0 || (r.Against|asides)&by != 0) {
			subjects |= r.Subject
		}
	}
	return subjects
}
