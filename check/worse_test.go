// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"whohas/check"
	"whohas/claim"
	"whohas/internal/scenario"
	"whohas/rule"
	"whohas/rules"
)

// TestRemovingMakesNothingWorse: a guard must never stand between an operator
// and the repair.
func TestRemovingMakesNothingWorse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := randomWorld().Draw(t, "world")
		if len(w.objects) == 0 {
			t.Skip("nothing to remove")
		}
		after := removal(t, w)
		was, is := w.input(t), after.input(t)
		before := check.Run(was)
		worse := check.Worse(before, check.Run(is))
		all := slices.DeleteFunc(slices.Concat(worse.Findings, worse.Hidden), func(f rule.Finding) bool { return known(was, is, &f) })
		if len(all) > 0 {
			t.Fatalf("before: %vafter: %vworse: %q\nbefore: %q\nhidden: %q", w, after, scenario.Summaries(all),
				scenario.Summaries(before.Findings), scenario.Summaries(before.Hidden))
		}
	})
}

// known tells whether a finding comes to light by a removal for a reason that is
// known; TestKnownWorse shows each. Whoever mends one takes it out here and there.
func known(was, is check.Input, f *rule.Finding) bool {
	// These leave the addresses of nodes to WH101 to WH104, and say so by silence:
	// they speak as soon as the node is gone.
	silent := []*rule.Rule{rules.SharedWithoutAgreement, rules.ClaimsControlPlane, rules.ClaimsReserved}
	if slices.Contains(silent, f.Rule) {
		for c := range was.View.Overlapping(f.Range) {
			if c.Role == claim.Host {
				return true
			}
		}
	}
	// A pool that shrinks until it lies wholly inside a range of the cluster moves
	// from WH302 to WH204 or WH205.
	if f.Rule == rules.VIPInServiceCIDR || f.Rule == rules.VIPInPodCIDR {
		for c := range was.View.Overlapping(f.Range) {
			if c.Role == claim.Pool && c.Range != f.Range && c.Range.Covers(f.Range) && slices.Contains(f.Owners(), c.Owner.Group+"|"+c.Owner.String()) {
				return true
			}
		}
	}
	// A cluster of one node counts as milder; one of none does not, where
	// something else than a Node still tells of hosts.
	return was.Facts.SingleNode() && len(is.Facts.Nodes) == 0
}

// removal takes one object, one claim, or a part of a pool out of a world.
func removal(t *rapid.T, w world) world {
	i := rapid.IntRange(0, len(w.objects)-1).Draw(t, "object")
	o := w.objects[i]
	if len(o.claims) == 0 || rapid.Bool().Draw(t, "whole object") {
		return w.without(i)
	}
	k := rapid.IntRange(0, len(o.claims)-1).Draw(t, "claim")
	if o.kind == "IPAddressPool" && rapid.Bool().Draw(t, "part of the range") {
		return w.with(i, lessOf(t, o, k))
	}
	return w.with(i, o.withoutClaim(k))
}

// lessOf takes one address out of a pool's entry.
func lessOf(t *rapid.T, o thing, k int) thing {
	r, err := claim.ParseRange(o.claims[k].text)
	if err != nil {
		t.Fatal(err)
	}
	ip := r.From
	for range rapid.IntRange(0, 15).Draw(t, "address of the range") {
		if ip != r.To {
			ip = ip.Next()
		}
	}
	less := o.withoutClaim(k)
	for _, left := range r.Without(ip) {
		less.claims = append(less.claims, stake{"address", left.From.String() + "-" + left.To.String()})
	}
	return less
}
