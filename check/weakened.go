// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/claimants"
	"whohas/rule"
	"whohas/snapshot"
)

// allocated are the roles of what the apiserver and the kubelet fill in: a manifest
// that leaves it out takes nothing back.
const allocated = claim.ClusterIP | claim.PodIP | claim.Listener

// weakenedClaims lists what the base's objects say of owners and their namesakes in
// the change no longer do: one entry for each way of claiming that an object has lost
// something of.
func weakenedClaims(v claimants.Change, change *snapshot.Snapshot) []rule.Weakened {
	type way struct {
		by   snapshot.Ref
		kind claim.Kind
	}
	lost := map[way][]claim.Claim{}
	for ref := range v.Replaced {
		own := slices.SortedFunc(v.Own.Of(ref), claim.Compare)
		for c := range v.Base.Of(ref) {
			// What a kernel or a wire showed changes with each reading.
			if c.Role&(claimants.Evidence&^claim.Observed) != 0 && takenBack(&c, own) {
				lost[way{ref, c.Kind}] = append(lost[way{ref, c.Kind}], c)
			}
		}
	}
	var out []rule.Weakened
	for w, claims := range lost {
		slices.SortFunc(claims, claim.Compare)
		entry := weakened(claims, slices.SortedFunc(v.Own.Of(w.by), claim.Compare))
		if entry.Change == (snapshot.Origin{}) {
			entry.Change = whereStands(change, w.by)
		}
		out = append(out, entry)
	}
	slices.SortFunc(out, func(a, b rule.Weakened) int {
		return cmp.Or(a.By.Compare(b.By), strings.Compare(a.What, b.What), strings.Compare(a.Was, b.Was))
	})
	return out
}

// whereStands is where an object begins.
func whereStands(s *snapshot.Snapshot, r snapshot.Ref) snapshot.Origin {
	if o := s.First(r); o != nil {
		return o.Origin()
	}
	for i := range s.Slices {
		if s.Slices[i].Ref == r {
			return snapshot.Origin{File: s.Slices[i].File, Line: s.Slices[i].Line}
		}
	}
	for i := range s.Pods {
		if s.Pods[i].Ref() == r {
			return snapshot.Origin{File: s.Pods[i].File, Line: s.Pods[i].Line}
		}
	}
	return snapshot.Origin{}
}

// takenBack reports whether an object no longer makes a claim, or makes less of it.
func takenBack(c *claim.Claim, own []claim.Claim) bool {
	silent := true
	for i := range own {
		x := &own[i]
		if x.Role != c.Role {
			continue
		}
		silent = false
		if x.Owner == c.Owner && (x.Range == c.Range || x.Range.Covers(c.Range)) && holdsPorts(x.Ports, c.Ports) {
			return false
		}
	}
	return c.Range.IsValid() && !(silent && c.Role&allocated != 0)
}

// holdsPorts reports whether a claim on some ports is one on others, too.
func holdsPorts(all, some claim.Ports) bool {
	return len(all) == 0 || len(some) > 0 && !slices.ContainsFunc(some, func(p snapshot.Port) bool { return !slices.Contains(all, p) })
}

// weakened is what claims of one kind and object have come to.
func weakened(lost, own []claim.Claim) rule.Weakened {
	first := lost[0]
	w := rule.Weakened{By: first.By, What: first.Origin.Field, Base: first.Origin}
	var was, is []string
	for _, c := range lost {
		was = append(was, claimed(c))
	}
	for _, c := range own {
		if c.Role == first.Role {
			is = append(is, claimed(c))
			w.Change = c.Origin
		}
	}
	w.Was, w.Is = strings.Join(slices.Compact(was), ", "), strings.Join(slices.Compact(is), ", ")
	return w
}

// claimed is a claim in a few words: on whose behalf only where it is another's.
func claimed(c claim.Claim) string {
	text := c.Range.String()
	if c.Owner != c.By && c.Owner.Kind != "ControlPlane" {
		text += " of " + c.Owner.String()
	}
	if len(c.Ports) > 0 {
		text += " port " + c.Ports.String()
	}
	return text
}
