// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"slices"
	"strings"
	"time"
)

// Object is one object as one source showed it. Two files that hold the same
// kind, namespace and name give two Objects with one Ref: one owner with
// several origins.
type Object struct {
	Ref     Ref
	Version string // the API version without the group: "v1"
	File    string // "" for a live cluster
	Line    int    // where the object begins
	Root    Value  // the declared fields only
}

// Field is the place that the keys lead to.
func (o *Object) Field(keys ...string) Field {
	return Field{Value: &o.Root, object: o}.Get(keys...)
}

// Label is a label's value, or "".
func (o *Object) Label(key string) string { return o.Root.Get("metadata", "labels", key).Text }

// Annotation is an annotation's place.
func (o *Object) Annotation(key string) Field { return o.Field("metadata", "annotations", key) }

// Created is the creation time-stamp; the zero time in a manifest.
func (o *Object) Created() time.Time { return o.Field("metadata", "creationTimestamp").Time() }

// Origin tells where the object begins.
func (o *Object) Origin() Origin { return Origin{File: o.File, Line: o.Line} }

// Owner is an entry of ownerReferences.
type Owner struct {
	Ref        Ref
	Controller bool
}

// Owners lists the owner references; owners live in the object's namespace,
// unless their kind has none, which the reference does not tell.
func (o *Object) Owners() []Owner {
	var owners []Owner
	for f := range o.Field("metadata", "ownerReferences").Items() {
		group, _ := SplitAPIVersion(f.Get("apiVersion").Text())
		ref := Ref{Group: group, Kind: f.Get("kind").Text(), Namespace: o.Ref.Namespace, Name: f.Get("name").Text()}
		if ref.Kind == "Node" {
			ref.Namespace = ""
		}
		owners = append(owners, Owner{Ref: ref, Controller: f.Get("controller").Is()})
	}
	return owners
}

// Controller is the owner that manages the object, or the zero Ref.
func (o *Object) Controller() Ref {
	for _, w := range o.Owners() {
		if w.Controller {
			return w.Ref
		}
	}
	return Ref{}
}

// Manager is who wrote a field last, as managedFields tells.
type Manager struct {
	Name      string
	Operation string
	Time      time.Time
}

// ManagerOf finds the latest manager of the field that the keys lead to. A
// manager of a field further up (an atomic list or map) counts.
func (o *Object) ManagerOf(keys ...string) (Manager, bool) {
	var last Manager
	found := false
	for entry := range o.Field("metadata", "managedFields").Items() {
		if !manages(entry.Get("fieldsV1").Value, keys) {
			continue
		}
		m := Manager{Name: entry.Get("manager").Text(), Operation: entry.Get("operation").Text(), Time: entry.Get("time").Time()}
		if !found || m.Time.After(last.Time) {
			last, found = m, true
		}
	}
	return last, found
}

func manages(set *Value, keys []string) bool {
	for i, k := range keys {
		next := set.child("f:" + k)
		if next.Kind == Absent {
			return i > 0 && len(set.Keys()) == 0 && set.Kind == Map
		}
		set = next
	}
	return true
}

// SplitAPIVersion splits "apps/v1" into group and version.
func SplitAPIVersion(s string) (group, version string) {
	if g, v, ok := strings.Cut(s, "/"); ok {
		return g, v
	}
	return "", s
}

// compareObjects gives the one order in which objects stand in a snapshot,
// whatever order they were read in.
func compareObjects(a, b *Object) int {
	if c := a.Ref.Compare(b.Ref); c != 0 {
		return c
	}
	if c := strings.Compare(a.File, b.File); c != 0 {
		return c
	}
	if a.Line != b.Line {
		return a.Line - b.Line
	}
	return compareValues(&a.Root, &b.Root)
}

func compareValues(a, b *Value) int {
	if a.Kind != b.Kind {
		return int(a.Kind) - int(b.Kind)
	}
	if c := strings.Compare(a.Text, b.Text); c != 0 {
		return c
	}
	if c := slices.Compare(a.Keys(), b.Keys()); c != 0 {
		return c
	}
	return slices.CompareFunc(a.Items, b.Items, func(x, y Value) int { return compareValues(&x, &y) })
}
