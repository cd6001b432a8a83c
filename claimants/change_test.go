// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"slices"
	"testing"

	"whohas/claim"
	"whohas/snapshot"
)

// TestEveryRoleIsDecided: each role is one in which an address is taken, or evidence
// of whose it is; and so is each claimant.
func TestEveryRoleIsDecided(t *testing.T) {
	const every = claim.Observed<<1 - 1
	if Evidence&takes != 0 || Evidence|takes != every {
		t.Errorf("roles that are both: %s; that are none: %s", Evidence&takes, every&^(Evidence|takes))
	}
	for _, c := range All() {
		if c.Role&(Evidence|takes) == 0 {
			t.Errorf("%s: its role %d is not decided", c.Kind, c.Role)
		}
	}
}

// TestHollowNamesakes: of every scene of every claimant, a hollow namesake takes no
// evidence away, and all that takes addresses.
func TestHollowNamesakes(t *testing.T) {
	met := map[claim.Kind]bool{}
	for _, s := range scenes {
		base := decoded(t, s.text)
		change := &snapshot.Builder{}
		for _, o := range base.Objects {
			change.Add(&snapshot.Object{Ref: o.Ref, File: "hollow.yaml"})
		}
		for i := range base.Slices {
			change.AddSlice(snapshot.EndpointSlice{Ref: base.Slices[i].Ref, File: "hollow.yaml"})
		}
		for i := range base.Pods {
			change.AddPod(snapshot.Pod{Namespace: base.Pods[i].Namespace, Name: base.Pods[i].Name, File: "hollow.yaml"})
		}
		v := Compare(base, change.Snapshot())
		for name, view := range map[string]claim.View{"by base": v.ByBase, "by both": v.ByBoth} {
			var want []string
			for x := range v.Base.In(Evidence) {
				met[x.Kind] = true
				want = append(want, row(x))
			}
			var got []string
			for x := range view.In(Evidence | takes) {
				got = append(got, row(x))
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Errorf("%s/%s %s: %q, want %q", s.kind, s.name, name, got, want)
			}
		}
	}
	for _, c := range All() {
		if c.Role&Evidence != 0 && c.Host == nil && !met[c.Kind] {
			t.Errorf("no scene has a claim of %s", c.Kind)
		}
	}
}
