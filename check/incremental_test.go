// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"whohas/check"
	"whohas/claim"
	"whohas/rule"
	"whohas/snapshot"
	"whohas/testkit/randcluster"
)

// TestIncrementalEqualsRebuilt changes one world into another object by object,
// in a register and in an overlay, and compares with a register made afresh:
// what is found, in every word.
func TestIncrementalEqualsRebuilt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, now := randcluster.Random().Draw(t, "old").Input(t), randcluster.Random().Draw(t, "new").Input(t)
		want := check.Run(now)

		register := copied(old.View)
		for _, to := range []claim.View{now.View, old.View, now.View} {
			for _, by := range rapid.Permutation(changed(register, to)).Draw(t, "order") {
				register.Replace(by, slices.Collect(to.Of(by)))
			}
		}
		compare(t, "replaced", want, now, register)

		drop := changed(old.View, now.View)
		var add []claim.Claim
		for _, by := range drop {
			add = slices.AppendSeq(add, now.View.Of(by))
		}
		compare(t, "overlaid", want, now, claim.Overlay(old.View, drop, add))
		compare(t, "overlaid on a register", want, now, claim.Overlay(copied(old.View), drop, add))
	})
}

func compare(t *rapid.T, how string, want check.Result, in check.Input, view claim.View) {
	in.View = view
	got := check.Run(in)
	same := cmp.Comparer(func(a, b *rule.Rule) bool { return a == b })
	address := cmp.Comparer(func(a, b claim.Range) bool { return a == b })
	if diff := cmp.Diff(want, got, same, address, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Fatalf("%s (-rebuilt +%s):\n%s", how, how, diff)
	}
}

// copied is a register of a view's claims.
func copied(v claim.View) *claim.Register {
	r := claim.NewRegister(0)
	for c := range v.All() {
		r.Add(c)
	}
	return r
}

// changed lists who claims in one view otherwise than in the other.
func changed(a, b claim.View) []snapshot.Ref {
	refs := map[snapshot.Ref]bool{}
	for _, v := range []claim.View{a, b} {
		for c := range v.All() {
			refs[c.By] = true
		}
	}
	maps.DeleteFunc(refs, func(by snapshot.Ref, _ bool) bool {
		x := slices.SortedFunc(a.Of(by), claim.Compare)
		y := slices.SortedFunc(b.Of(by), claim.Compare)
		return slices.EqualFunc(x, y, func(p, q claim.Claim) bool { return claim.Compare(p, q) == 0 })
	})
	return slices.SortedFunc(maps.Keys(refs), snapshot.Ref.Compare)
}
