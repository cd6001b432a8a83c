// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"
	"strings"

	"whohas/claim"
	"whohas/snapshot"
)

// reduces tells whether the object claims no more than before and is otherwise as it
// was. Such a request passes whatever the rules say: it is how conflicts are ended.
func (c *change) reduces() bool {
	if c.was == nil {
		return false
	}
	for i := range c.now {
		if !slices.ContainsFunc(c.before, func(was claim.Claim) bool { return lessOrSame(&c.now[i], &was) }) {
			return false
		}
	}
	claiming := map[string]bool{"spec.ports": true, "spec.listeners": true} // of which the claims tell
	for _, x := range slices.Concat(c.before, c.now) {
		claiming[holder(x.Origin.Field)] = true
	}
	return sameBeside(&c.was.Root, &c.is.Root, "", claiming)
}

// lessOrSame tells whether a claim is another one, or a part of it.
func lessOrSame(now, was *claim.Claim) bool {
	ports := len(was.Ports) == 0 || len(now.Ports) > 0 && !slices.ContainsFunc(now.Ports, func(p snapshot.Port) bool { return !slices.Contains(was.Ports, p) })
	return ports && (now.Text == was.Text || was.Range.Covers(now.Range) && canonical(now)) && now.Kind == was.Kind && now.Role == was.Role && now.Share == was.Share &&
		now.Agent == was.Agent && now.Owner == was.Owner && now.Scope == was.Scope
}

// canonical tells whether a claim is written as addresses are: one in another form is
// more than a part of the same (rule WH208).
func canonical(c *claim.Claim) bool {
	return !c.Range.IsSingle() || strings.ContainsAny(c.Text, "/-") || c.Text == c.Range.String()
}

// holder is the list or field that a claim stands in: "spec.externalIPs".
func holder(field string) string {
	if i := strings.LastIndexByte(field, '['); i > 0 && !strings.HasPrefix(field[i:], `["`) {
		return field[:i]
	}
	return field
}

// sameBeside compares two trees but for the fields named and, of the metadata, all
// but labels and annotations.
func sameBeside(a, b *snapshot.Value, path string, except map[string]bool) bool {
	switch {
	case except[path] || strings.HasPrefix(path, "metadata.") && !within(path):
		return true
	case a.Kind != snapshot.Map || b.Kind != snapshot.Map:
		return a.Equal(b)
	}
	for _, k := range slices.Concat(a.Keys, b.Keys) {
		if !sameBeside(a.Get(k), b.Get(k), snapshot.JoinPath(path, k), except) {
			return false
		}
	}
	return true
}

// within tells whether a path leads into labels or annotations.
func within(path string) bool {
	return strings.HasPrefix(path, "metadata.labels") || strings.HasPrefix(path, "metadata.annotations")
}
