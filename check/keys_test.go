// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"whohas/check"
	"whohas/claim"
	"whohas/rules"
	"whohas/testkit/randcluster"
	"whohas/testkit/scenario"
)

// TestKeysAreEnough changes one object of a world, by what the rules look at, and
// compares what all keys say is worse with what the touched keys say.
func TestKeysAreEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := randcluster.Random().Draw(t, "world")
		var guarded []int
		for i, o := range w.Objects {
			if slices.Contains([]string{"Service", "IPAddressPool", "IPPool", "ServiceCIDR", "Gateway"}, o.Kind) {
				guarded = append(guarded, i)
			}
		}
		if len(guarded) == 0 {
			t.Skip("nothing to change")
		}
		at := rapid.SampledFrom(guarded).Draw(t, "object")
		old := w.Objects[at]
		next := randcluster.Any(old.Kind, 0).Draw(t, "now")
		next.Name = old.Name
		if next.Kind == "Service" {
			next.Traits["namespace"] = old.Traits["namespace"]
		}
		was, is := w.Input(t), w.With(at, next).Input(t)
		is.Facts = was.Facts
		var changed []claim.Claim
		for _, view := range []claim.View{was.View, is.View} {
			for c := range view.All() {
				if c.By.Kind == old.Kind && c.By.Name == old.Name {
					changed = append(changed, c)
				}
			}
		}
		keys := check.Keys(is.View, rules.All(), changed)
		want := check.Worse(check.Run(was), check.Run(is))
		got := check.Worse(check.On(was, keys), check.On(is, keys))
		if diff := cmp.Diff(everything(want), everything(got)); diff != "" {
			t.Fatalf("%vbecomes %v\nkeys %v (-all keys +these):\n%s", w, next, keys, diff)
		}
	})
}

func everything(res check.Result) []string {
	all := scenario.Summaries(slices.Concat(res.Findings, res.Hidden))
	slices.Sort(all)
	return all
}
