// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"strings"

	"whohas/claim"
	"whohas/snapshot"
)

// reduces reports whether the object claims no more than before and is otherwise as it
// was. Such a request passes whatever the rules say: it is how conflicts are ended.
func (c *change) reduces() bool {
	if c.was == nil {
		return false
	}
	had := holdingsOf(c.before)
	for i := range c.now {
		if !had.hold(&c.now[i]) {
			return false
		}
	}
	claiming := map[string]bool{"spec.ports": true, "spec.listeners": true} // of which the claims tell
	for _, list := range [][]claim.Claim{c.before, c.now} {
		for i := range list {
			claiming[holder(list[i].Origin.Field)] = true
		}
	}
	return sameBeside(&c.was.Root, &c.is.Root, "", claiming)
}

// canonical reports whether a claim is written as addresses are: one in another form is
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
	case !mapOrAbsent(a) || !mapOrAbsent(b):
		return a.Equal(b)
	}
	was, is := entriesOf(a), entriesOf(b)
	same := func(k string) bool {
		return sameBeside(entry(was, k), entry(is, k), snapshot.JoinPath(path, k), except)
	}
	for k := range was {
		if !same(k) {
			return false
		}
	}
	for k := range is {
		if _, known := was[k]; !known && !same(k) {
			return false
		}
	}
	return true
}

// entriesOf looks up a map's values; of a key that is there twice the last one counts.
func entriesOf(v *snapshot.Value) map[string]*snapshot.Value {
	out := make(map[string]*snapshot.Value, len(v.Keys()))
	for i, k := range v.Keys() {
		out[k] = &v.Items[i]
	}
	return out
}

func entry(of map[string]*snapshot.Value, key string) *snapshot.Value {
	if v := of[key]; v != nil {
		return v
	}
	return &snapshot.Value{}
}

// mapOrAbsent: a map of which nothing is declared is as good as none. The first label
// of a Service, whatever it says, brings one.
func mapOrAbsent(v *snapshot.Value) bool { return v.Kind == snapshot.Map || v.Kind == snapshot.Absent }

// within reports whether a path leads into labels or annotations.
func within(path string) bool {
	return strings.HasPrefix(path, "metadata.labels") || strings.HasPrefix(path, "metadata.annotations")
}
