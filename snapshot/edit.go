// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"whohas/command"
)

// Op is one operation of a JSON patch (RFC 6902): test, remove, add or replace.
// A value is a string or a list of strings: nothing else is ever edited.
type Op struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// Edit is a change of one object, or of one host, as data: the printed command,
// the test of a fix and the repair all come from it. A test operation before each
// change makes sure that the list has not moved since it was looked at.
type Edit struct {
	Kind        Kind
	On          Ref
	Subresource string // "status", or empty
	Ops         []Op
	Delete      bool // the whole object goes

	Host *HostEdit // in place of all the others
}

// Command is the edit as a person types it.
func (e Edit) Command() command.Line {
	if e.Host != nil {
		return e.Host.command()
	}
	on := command.Object{Resource: e.resource(), Namespace: e.On.Namespace, Name: e.On.Name}
	if e.Delete {
		return on.Delete()
	}
	return on.Patch(e.Subresource, e.Ops)
}

func (e Edit) resource() string {
	if e.Kind.Group == "" {
		return strings.ToLower(e.Kind.Kind)
	}
	return e.Kind.Resource + "." + e.Kind.Group
}

// Apply gives the snapshot as it would be after the edits; s stays as it is.
// Every object with the edit's Ref is edited, whatever file it stands in; an
// operation whose test fails in one of them leaves that one alone.
func (s *Snapshot) Apply(edits ...Edit) (*Snapshot, error) {
	after := *s
	after.Objects, after.Hosts = slices.Clone(s.Objects), slices.Clone(s.Hosts)
	for _, e := range edits {
		if err := after.apply(e); err != nil {
			return nil, err
		}
	}
	return arrange(&after), nil
}

func (s *Snapshot) apply(e Edit) error {
	if e.Host != nil {
		return s.applyHost(e.Host)
	}
	if e.Delete {
		s.Objects = slices.DeleteFunc(s.Objects, func(o *Object) bool { return o.Ref == e.On })
		return nil
	}
	done := false
	var failed error
	for i, o := range s.Objects {
		if o.Ref != e.On {
			continue
		}
		edited := *o
		root, err := patched(o.Root, e.Ops)
		if err != nil {
			failed = err
			continue
		}
		edited.Root = root
		s.Objects[i] = &edited
		done = true
	}
	if !done {
		return fmt.Errorf("edit %s: %w", e.On, cmpErr(failed, errors.New("no such object")))
	}
	return nil
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func patched(root Value, ops []Op) (Value, error) {
	var err error
	for _, op := range ops {
		keys := pointerKeys(op.Path)
		if root, err = patchValue(root, keys, op); err != nil {
			return Value{}, fmt.Errorf("%s %s: %w", op.Op, op.Path, err)
		}
	}
	return root, nil
}

func pointerKeys(path string) []string {
	keys := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, k := range keys {
		keys[i] = strings.ReplaceAll(strings.ReplaceAll(k, "~1", "/"), "~0", "~")
	}
	return keys
}

// PathKeys are the keys of a field path such as spec.externalIPs[0] or
// metadata.annotations["metallb.io/loadBalancerIPs"]; a list's item is its number.
func PathKeys(path string) []string {
	var keys []string
	for path != "" {
		key := ""
		switch {
		case strings.HasPrefix(path, `["`):
			end := strings.Index(path, `"]`)
			key, path = path[2:end], path[end+2:]
		case path[0] == '[':
			end := strings.IndexByte(path, ']')
			key, path = path[1:end], path[end+1:]
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			key, path = path[:end], path[end:]
		}
		path = strings.TrimPrefix(path, ".")
		keys = append(keys, key)
	}
	return keys
}

// Pointer is the JSON pointer of a field path.
func Pointer(path string) string {
	var b strings.Builder
	for _, key := range PathKeys(path) {
		b.WriteString("/" + strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// At finds a field by the path that it gave as its origin; absent if the object
// has changed.
func (o *Object) At(path string) Field {
	f := o.Field()
	for _, key := range PathKeys(path) {
		n, err := strconv.Atoi(key)
		switch {
		case f.Value == nil || f.Value.Kind != List:
			f = f.Get(key)
		case err != nil || n < 0 || n >= len(f.Value.Items):
			return Field{}
		default:
			f = Field{Path: f.Path + "[" + key + "]", Value: &f.Value.Items[n], object: o}
		}
	}
	return f
}

// patchValue gives v with one operation done below it; v's own slices are
// shared with other snapshots and never written to.
func patchValue(v Value, keys []string, op Op) (Value, error) {
	last := len(keys) == 1
	i, err := v.position(keys[0], last && op.Op == "add")
	if err != nil {
		return v, err
	}
	if !last {
		child, err := patchValue(v.Items[i], keys[1:], op)
		if err != nil {
			return v, err
		}
		v.Items = slices.Clone(v.Items)
		v.Items[i] = child
		return v, nil
	}
	return v.change(i, keys[0], op)
}

func (v Value) change(i int, key string, op Op) (Value, error) {
	switch op.Op {
	case "test":
		want := valueOf(op.Value)
		if i >= len(v.Items) || !v.Items[i].sameText(&want) {
			return v, errors.New("another value stands there")
		}
		return v, nil
	case "remove":
		v.Items = slices.Delete(slices.Clone(v.Items), i, i+1)
		if v.Kind == Map {
			v.Keyset = KeysetOf(slices.Delete(slices.Clone(v.Keys()), i, i+1)...)
		}
		return v, nil
	case "replace":
		v.Items = slices.Clone(v.Items)
		v.Items[i] = valueOf(op.Value)
		return v, nil
	case "add":
		v.Items = slices.Insert(slices.Clone(v.Items), i, valueOf(op.Value))
		if v.Kind == Map {
			v.Keyset = KeysetOf(slices.Insert(slices.Clone(v.Keys()), i, key)...)
		}
		return v, nil
	}
	return v, fmt.Errorf("unknown operation %q", op.Op)
}

func (v *Value) sameText(o *Value) bool {
	return v.Text == o.Text && slices.EqualFunc(v.Items, o.Items, func(a, b Value) bool { return a.sameText(&b) })
}

func (v Value) position(key string, toAdd bool) (int, error) {
	if v.Kind == Map {
		if i := slices.Index(v.Keys(), key); i >= 0 {
			return i, nil
		}
		if toAdd {
			return len(v.Items), nil
		}
		return 0, fmt.Errorf("no field %q", key)
	}
	if key == "-" && toAdd {
		return len(v.Items), nil
	}
	i, err := strconv.Atoi(key)
	if err != nil || i < 0 || i > len(v.Items) || i == len(v.Items) && !toAdd {
		return 0, fmt.Errorf("no item %q", key)
	}
	return i, nil
}

func valueOf(v any) Value {
	switch x := v.(type) {
	case string:
		return Value{Kind: String, Text: x}
	case []string:
		l := Value{Kind: List}
		for _, s := range x {
			l.Items = append(l.Items, Value{Kind: String, Text: s})
		}
		return l
	}
	return Value{Kind: Null}
}
