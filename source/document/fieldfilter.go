// SPDX-License-Identifier: Apache-2.0

package document

import (
	"strings"

	"whohas/snapshot"
)

// fieldFilter says what to keep below one place of an object. It is Fields, and
// beside that knows where metadata.managedFields stands, of which every object
// keeps who manages the declared fields.
type fieldFilter struct {
	fields *snapshot.Fields
	root   *snapshot.Fields // the object's, on the way to managedFields
	place  place
}

type place uint8

const (
	placeField place = iota
	placeObject
	placeMetadata
	placeEntries // metadata.managedFields
	placeManaged // in a fieldsV1
	placeText    // the root of a document in a string
)

// entryFields are what is kept of an entry beside its fieldsV1.
var entryFields = []string{"manager", "operation", "time", "subresource"}

func objectSieve(f *snapshot.Fields) fieldFilter {
	return fieldFilter{fields: f, root: f, place: placeObject}
}

// child is the filter below a key; ok is false for what is not kept.
func (s fieldFilter) child(key string) (c fieldFilter, ok bool) {
	switch {
	case s.place == placeManaged:
		f := s.fields.Managed(key)
		return fieldFilter{fields: f, place: placeManaged}, f != nil
	case s.place == placeEntries:
		return s.entry(key)
	case s.place == placeMetadata && key == "managedFields":
		return fieldFilter{root: s.root, place: placeEntries}, true
	}
	f := s.fields.Child(key)
	c = fieldFilter{fields: f}
	if s.place == placeObject && key == "metadata" {
		c.root, c.place = s.root, placeMetadata
		return c, true
	}
	return c, f != nil
}

func (s fieldFilter) entry(key string) (fieldFilter, bool) {
	if key == "fieldsV1" {
		return fieldFilter{fields: s.root, place: placeManaged}, true
	}
	for _, k := range entryFields {
		if k == key {
			return fieldFilter{fields: everything}, true
		}
	}
	return fieldFilter{}, false
}

// everything keeps what stands below it.
var everything = fieldsOf("x").Child("x")

// fieldsOf is ParseFields for paths that are constants.
func fieldsOf(paths ...string) *snapshot.Fields {
	f, err := snapshot.ParseFields(paths...)
	if err != nil {
		panic(err)
	}
	return f
}

// keepMap makes the value of a map. Absent means that the map is left out:
// nobody may take an empty set for one that owns everything below it.
func (s fieldFilter) keepMap(v snapshot.Value, dropped, ownsItems bool) snapshot.Value {
	if s.place == placeManaged && len(v.Keys()) == 0 && dropped && !ownsItems && !s.fields.Whole() {
		return snapshot.Value{}
	}
	return v
}

// keepList makes the value of a list.
func (s fieldFilter) keepList(v snapshot.Value) snapshot.Value {
	if s.place != placeEntries {
		v.Items = s.fields.KeepItems(v.Items)
		return v
	}
	var entries []snapshot.Value
	for _, e := range v.Items {
		if len(e.Get("fieldsV1").Keys()) > 0 {
			entries = append(entries, e)
		}
	}
	if entries == nil {
		return snapshot.Value{}
	}
	v.Items = entries
	return v
}

// keepScalar drops the text of a scalar that stands where only something below
// was declared. A placeholder for that is as good as nothing.
func (s fieldFilter) keepScalar(v snapshot.Value) snapshot.Value {
	if !s.keepsText() {
		if v.Kind == snapshot.String && snapshot.Unresolved(v.Text) {
			v.Kind = snapshot.Null
		}
		v.Text = ""
	}
	if v.Kind == snapshot.String {
		v.Text = snapshot.WithoutSecrets(v.Text)
	}
	return v
}

// keepsText reports whether what is said here was declared: also by the items of
// a list that is the whole of a document in a string.
func (s fieldFilter) keepsText() bool {
	return s.fields.Whole() || s.place == placeText && s.fields.Ends()
}

// embeds reports whether a string here holds a document.
func (s fieldFilter) embeds() bool { return s.fields.YAML() && s.place != placeText }

// ownsItem reports whether a key of a fieldsV1 stands for an item of a list. Who
// owns items owns the list, as far as a path without items can tell.
func ownsItem(key string) bool {
	return strings.HasPrefix(key, "k:") || strings.HasPrefix(key, "v:") || strings.HasPrefix(key, "i:")
}
