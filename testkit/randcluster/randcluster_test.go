// SPDX-License-Identifier: Apache-2.0

package randcluster_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"whohas/rules"
	"whohas/testkit/randcluster"
)

// TestClustersHaveFindings keeps the properties from being about nothing: the
// random clusters must make every rule on an address or object speak.
func TestClustersHaveFindings(t *testing.T) {
	seen := map[string]int{}
	silent := func() (ids []string) {
		for _, r := range rules.All() {
			if r.ID < "WH9" && seen[r.ID] == 0 {
				ids = append(ids, r.ID)
			}
		}
		return ids
	}
	for range 10 { // the rarest speak in a few of a hundred
		rapid.Check(t, func(t *rapid.T) {
			res := randcluster.Random().Draw(t, "random cluster").Check(t)
			for _, f := range slices.Concat(res.Findings, res.Hidden) {
				seen[f.Rule.ID]++
			}
		})
		if len(silent()) == 0 {
			break
		}
	}
	if ids := silent(); len(ids) > 0 {
		t.Errorf("no random cluster makes these speak: %v", ids)
	}
	t.Log(seen)
}
