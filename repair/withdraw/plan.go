// SPDX-License-Identifier: Apache-2.0

package withdraw

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"whohas/snapshot"
)

// move puts one value back: into the list at Path, or into the field at Path.
// Value goes in and Instead, which took its place, goes out; one of them may be
// missing.
type move struct {
	Path    string          `json:"path"`
	Index   *int            `json:"index,omitzero"` // where it stood in the list; nil: Path is no list
	Key     string          `json:"key,omitzero"`   // which field of a list's item tells what it is: "/ip"
	Value   json.RawMessage `json:"value,omitzero"`
	Instead json.RawMessage `json:"instead,omitzero"`
}

// plan is a patch of one object with the way back.
type plan struct {
	uid  string
	ops  []op
	back []move
}

// planned makes the patch of an edit for the object as it is now. Beside the edit's
// own tests it tests that the object is this one, and that what goes, goes as it was
// read: the undo file holds it. errMoved means that a test of the edit fails.
func planned(obj any, e snapshot.Edit) (plan, error) {
	p := plan{uid: uidOf(obj)}
	if p.uid == "" {
		return p, fmt.Errorf("the answer is no %s", e.Kind.Kind)
	}
	p.ops = []op{{Op: "test", Path: "/metadata/uid", Value: encoded(p.uid)}}
	for _, given := range e.Ops {
		o := op{Op: given.Op, Path: given.Path}
		if given.Value != nil {
			o.Value = encoded(given.Value)
		}
		old, stands := lookup(obj, keysOf(o.Path))
		if test := (op{Op: "test", Path: o.Path, Value: encoded(old)}); stands && (o.Op == "remove" || o.Op == "replace") && !equalOps(test, p.ops[len(p.ops)-1]) {
			p.ops = append(p.ops, test)
		}
		after, err := apply(obj, o)
		if err != nil {
			return p, err
		}
		if o.Op != "test" {
			p.back = slices.Insert(p.back, 0, inverse(obj, o, keyOf(e.Ops, o.Path)))
		}
		p.ops, obj = append(p.ops, o), after
	}
	return p, nil
}

func equalOps(a, b op) bool {
	return a.Op == b.Op && a.Path == b.Path && string(a.Value) == string(b.Value)
}

// keyOf is what a test asks of the item that goes: "/ip" of .../ingress/0/ip.
func keyOf(ops []snapshot.Op, path string) string {
	for _, o := range ops {
		if key, ok := strings.CutPrefix(o.Path, path+"/"); ok && o.Op == "test" {
			return "/" + key
		}
	}
	return ""
}

// inverse is how an operation on obj is taken back.
func inverse(obj any, o op, key string) move {
	keys := keysOf(o.Path)
	last := len(keys) - 1
	m := move{Path: o.Path, Instead: o.Value}
	parent, _ := lookup(obj, keys[:last])
	list, isList := parent.([]any)
	if isList {
		n, _ := position(keys[last], len(list)+1)
		m.Path, m.Index, m.Key = pointerOf(keys[:last]), &n, key
	}
	if old, stands := lookup(obj, keys); stands && (o.Op != "add" || !isList) {
		m.Value = encoded(old)
	}
	return m
}

// restored makes the patch that takes the moves back from the object as it is now;
// no operations mean that nothing is missing. It tests that each list and field that
// it touches is as it was read, so that nothing comes twice.
func restored(obj any, uid string, moves []move) ([]op, error) {
	r := &restoring{before: obj, now: obj}
	for _, m := range moves {
		restore := r.field
		if m.Index != nil {
			restore = r.item
		}
		if err := restore(m); err != nil {
			return nil, err
		}
	}
	if len(r.ops) == 0 {
		return nil, nil
	}
	tests := append([]op{{Op: "test", Path: "/metadata/uid", Value: encoded(uid)}}, r.tests...)
	return append(tests, r.ops...), nil
}

type restoring struct {
	before, now any
	tests, ops  []op // all the tests come first
}

// item restores one item of a list, and leaves the others alone.
func (r *restoring) item(m move) error {
	found, _ := lookup(r.now, keysOf(m.Path))
	list, ok := found.([]any)
	if !ok && found != nil {
		return fmt.Errorf("%s is no list any more", dotted(m.Path))
	}
	if n, there := indexOf(list, m.Instead, m.Key); there {
		if err := r.do(m.Path, op{Op: "remove", Path: fmt.Sprintf("%s/%d", m.Path, n)}); err != nil {
			return err
		}
		list = slices.Delete(slices.Clone(list), n, n+1)
	}
	if _, there := indexOf(list, m.Value, m.Key); there || m.Value == nil {
		return nil
	}
	if found == nil { // an empty list is not written, nor what holds only that
		return r.add(m.Path, []any{m.Value})
	}
	return r.do(m.Path, op{Op: "add", Path: fmt.Sprintf("%s/%d", m.Path, min(*m.Index, len(list))), Value: m.Value})
}

// indexOf finds an item that is the same, by its key if it has one.
func indexOf(list []any, value json.RawMessage, key string) (int, bool) {
	want, err := decode(value)
	if value == nil || err != nil {
		return 0, false
	}
	wanted, known := lookup(want, keysOf(key))
	n := slices.IndexFunc(list, func(item any) bool {
		got, ok := lookup(item, keysOf(key))
		return ok && known && same(got, wanted)
	})
	return n, n >= 0
}

// field restores a field that is a single value.
func (r *restoring) field(m move) error {
	now, stands := lookup(r.now, keysOf(m.Path))
	switch {
	case isValue(now, stands, m.Value):
		return nil
	case !isValue(now, stands, m.Instead):
		return fmt.Errorf("%s was changed since: put it back by hand", dotted(m.Path))
	case m.Value == nil:
		return r.do(m.Path, op{Op: "remove", Path: m.Path})
	}
	return r.add(m.Path, m.Value)
}

func isValue(now any, stands bool, value json.RawMessage) bool {
	if value == nil {
		return !stands
	}
	want, err := decode(value)
	return stands && err == nil && same(now, want)
}

// add sets a field, and makes what has to hold it.
func (r *restoring) add(path string, value any) error {
	keys := keysOf(path)
	depth := 1
	for ; depth < len(keys); depth++ {
		if v, ok := lookup(r.now, keys[:depth]); !ok || v == nil {
			break
		}
	}
	for i := len(keys) - 1; i >= depth; i-- {
		value = map[string]any{keys[i]: value}
	}
	path = pointerOf(keys[:depth])
	return r.do(path, op{Op: "add", Path: path, Value: encoded(value)})
}

// do adds an operation, after a test that what it touches is as it was read.
func (r *restoring) do(touched string, o op) error {
	after, err := apply(r.now, o)
	if err != nil {
		return fmt.Errorf("%s was changed since: %w", dotted(touched), err)
	}
	test := r.test(keysOf(touched))
	if !slices.ContainsFunc(r.tests, func(t op) bool { return t.Path == test.Path }) {
		r.tests = append(r.tests, test)
	}
	r.now, r.ops = after, append(r.ops, o)
	return nil
}

// test is that a value is as it was read. One that was not there is tested where
// its path breaks off: further down a test finds nothing to look into.
func (r *restoring) test(keys []string) op {
	for depth := 1; depth < len(keys); depth++ {
		if _, ok := lookup(r.before, keys[:depth]); !ok {
			keys = keys[:depth]
		}
	}
	old, _ := lookup(r.before, keys)
	return op{Op: "test", Path: pointerOf(keys), Value: encoded(old)}
}

func uidOf(obj any) string {
	uid, _ := lookup(obj, []string{"metadata", "uid"})
	text, _ := uid.(string)
	return text
}
