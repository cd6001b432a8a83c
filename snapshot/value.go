// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ValueKind is what a Value holds.
type ValueKind uint8

// The kinds of a Value. Absent is the zero value: nothing stands there.
const (
	Absent ValueKind = iota
	Null
	Bool
	Number
	String
	Map
	List
)

// Value is one node of a positioned tree. The zero value is absent. A Value in
// a Snapshot is never changed.
type Value struct {
	Kind   ValueKind
	Line   int32     // 1-based line in the file; 0 where unknown
	Text   string    // a scalar as written, without quotes
	Keyset *[]string // a map's keys, beside Items, in the order written; maps may share it, and it is never changed
	Items  []Value   // a map's values, or a list's items
}

// KeysetOf are the keys of a map; nil for none.
func KeysetOf(keys ...string) *[]string {
	if len(keys) == 0 {
		return nil
	}
	return &keys
}

// Keys are a map's keys, in the order written.
func (v *Value) Keys() []string {
	if v.Keyset == nil {
		return nil
	}
	return *v.Keyset
}

// Get walks down maps by key; a missing key gives the absent Value.
func (v *Value) Get(keys ...string) *Value {
	for _, k := range keys {
		v = v.child(k)
	}
	return v
}

// absent is what every missing field points at; nobody may write to it.
var absent = &Value{}

func (v *Value) child(key string) *Value {
	if v.Kind != Map {
		return absent
	}
	// The last one wins, as in the apiserver's JSON decoder; the sources report
	// duplicate keys on their own.
	for i := len(v.Keys()) - 1; i >= 0; i-- {
		if v.Keys()[i] == key {
			return &v.Items[i]
		}
	}
	return absent
}

// Scalar reports whether v is a string, number or boolean.
func (v *Value) Scalar() bool { return v.Kind == String || v.Kind == Number || v.Kind == Bool }

// Equal compares content, not lines.
func (v *Value) Equal(o *Value) bool {
	return v.Kind == o.Kind && v.Text == o.Text && slices.Equal(v.Keys(), o.Keys()) &&
		slices.EqualFunc(v.Items, o.Items, func(a, b Value) bool { return a.Equal(&b) })
}

// Field is a place in an object: its path as people write it, and the value
// there. The zero value is an absent field; an absent field has no path.
type Field struct {
	Path   string
	Value  *Value
	object *Object
}

// OK reports whether something other than null stands there.
func (f Field) OK() bool { return f.Value != nil && f.Value.Kind > Null }

// Text is the scalar as written, or "".
func (f Field) Text() string {
	if f.Value == nil {
		return ""
	}
	return f.Value.Text
}

// Is reports whether the scalar is the boolean true.
func (f Field) Is() bool { return f.Text() == "true" }

// Int is the scalar as a whole number, or 0.
func (f Field) Int() int {
	n, err := strconv.Atoi(f.Text())
	if err != nil {
		return 0
	}
	return n
}

// Get walks down maps by key.
func (f Field) Get(keys ...string) Field {
	if f.Value == nil {
		return Field{}
	}
	v := f.Value.Get(keys...)
	if v.Kind == Absent {
		return Field{Value: v, object: f.object} // most questions end here: no path is built
	}
	path := f.Path
	for _, k := range keys {
		path = JoinPath(path, k)
	}
	return Field{Path: path, Value: v, object: f.object}
}

// Items yields a list's items.
func (f Field) Items() iter.Seq[Field] {
	return func(yield func(Field) bool) {
		if f.Value == nil || f.Value.Kind != List {
			return
		}
		for i := range f.Value.Items {
			item := Field{Path: f.Path + "[" + strconv.Itoa(i) + "]", Value: &f.Value.Items[i], object: f.object}
			if !yield(item) {
				return
			}
		}
	}
}

// Entries yields a map's keys and fields in the order written.
func (f Field) Entries() iter.Seq2[string, Field] {
	return func(yield func(string, Field) bool) {
		if f.Value == nil || f.Value.Kind != Map {
			return
		}
		for i, k := range f.Value.Keys() {
			if !yield(k, Field{Path: JoinPath(f.Path, k), Value: &f.Value.Items[i], object: f.object}) {
				return
			}
		}
	}
}

// Origin tells where the field stands.
func (f Field) Origin() Origin {
	o := Origin{Field: f.Path}
	if f.object != nil {
		o.File = f.object.File
	}
	if f.Value != nil {
		o.Line = int(f.Value.Line)
	}
	return o
}

// JoinPath is the path of a key below a path, as people write it.
func JoinPath(path, key string) string {
	if strings.ContainsAny(key, "./ ") {
		return path + `["` + key + `"]`
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// Time parses an RFC 3339 time-stamp; the zero time if there is none.
func (f Field) Time() time.Time {
	t, err := time.Parse(time.RFC3339, f.Text())
	if err != nil {
		return time.Time{}
	}
	return t
}
