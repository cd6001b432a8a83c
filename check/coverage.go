// SPDX-License-Identifier: Apache-2.0

package check

import (
	"slices"

	"whohas/claim"
	"whohas/cluster"
	"whohas/snapshot"
)

// Coverage is the snapshot's, and what only the claims show: values that some
// other tool fills in, objects that stand in several files, and that there were
// no Nodes to compare with.
func Coverage(s *snapshot.Snapshot, v claim.View, f *cluster.Facts) []snapshot.Coverage {
	out := slices.Clone(s.Coverage)
	if n := unresolved(v); n > 0 {
		out = append(out, snapshot.Coverage{Source: "placeholders", Status: snapshot.StatusAbsent, Count: n,
			Detail: "addresses that another tool fills in later; they are not checked"})
	}
	if n := variants(s); n > 0 {
		out = append(out, snapshot.Coverage{Source: "variants", Status: snapshot.StatusRead, Count: n,
			Detail: "objects that stand in several files; each is one owner with several origins"})
	}
	if len(f.Nodes) == 0 && !mentions(out, cluster.NodeKind) {
		out = append(out, snapshot.Coverage{Source: cluster.NodeKind.Source(), Status: snapshot.StatusAbsent,
			Detail: "none in what was read: no address could be compared with a node's (--base or --live adds the cluster)"})
	}
	return out
}

func mentions(lines []snapshot.Coverage, k snapshot.Kind) bool {
	return slices.ContainsFunc(lines, func(c snapshot.Coverage) bool { return c.Source == k.Source() })
}

func unresolved(v claim.View) int {
	n := 0
	for c := range v.In(^(claim.PodIP | claim.Listener | claim.Host)) {
		if !c.Range.IsValid() && snapshot.Unresolved(c.Text) {
			n++
		}
	}
	return n
}

func variants(s *snapshot.Snapshot) int {
	n := 0
	for i := 1; i < len(s.Objects); i++ {
		if s.Objects[i].Ref == s.Objects[i-1].Ref && (i < 2 || s.Objects[i-2].Ref != s.Objects[i].Ref) {
			n++
		}
	}
	return n
}
