// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"
	"strconv"
)

// shape is the type of what stands in a field.
type shape uint8

const (
	shapeUnset shape = iota // nothing is declared; text, once a path ends there
	shapeText
	shapeInt
	shapeBool
	shapeScalar
	shapeMap
	shapeAny
)

// shapeMarks are the types that a path can name.
var shapeMarks = map[string]shape{"<int>": shapeInt, "<bool>": shapeBool, "<scalar>": shapeScalar, "<any>": shapeAny}

// shapeNames are how messages call them.
var shapeNames = [...]string{shapeText: "a text", shapeInt: "a number", shapeBool: "true or false", shapeScalar: "a text", shapeMap: "a map"}

var kindNames = [...]string{Null: "null", Bool: "a boolean", Number: "a number", String: "a text", Map: "a map", List: "a list"}

// form enters what a path says of a field's type. Two paths agree about it.
func (f *Fields) form(s fieldSegment, last bool) error {
	shape := s.shape
	switch {
	case shape != shapeUnset:
	case s.args != nil:
		shape = shapeText
	case last && s.yaml:
		shape = f.shape // of such a document nothing is kept
	case !last, s.itemKey != "":
		shape = shapeMap
	default:
		shape = shapeText
	}
	if f.shape != shapeUnset && shape != shapeUnset && f.shape != shape {
		return fmt.Errorf("%q is declared with another type elsewhere", s.key)
	}
	f.list, f.shape = s.list, shape
	return nil
}

// takes reports whether a value of that kind may stand where the shape is declared.
func (s shape) takes(k ValueKind) bool {
	switch s {
	case shapeText:
		return k == String
	case shapeInt:
		return k == Number
	case shapeBool:
		return k == Bool
	case shapeScalar:
		return k == String || k == Number || k == Bool
	case shapeMap:
		return k == Map
	default:
		return true
	}
}

// Fault is a field of another type than it is declared with.
type Fault struct {
	Path string // as people write it
	Line int
	Text string // what stands there, and what should
}

// Cover is the fault in an object of that name, as the coverage tells of it: the
// object is read, but not whole.
func (f Fault) Cover(of Ref) Coverage {
	return Coverage{Status: StatusPartial, Line: f.Line, Detail: fmt.Sprintf("%s: %s %s", of, f.Path, f.Text), Failed: true}
}

// Path is where the set stands in an object, as it is declared; a list's items
// have no numbers.
func (f *Fields) Path() string { return f.path }

// Check tells of every field of a tree that is of another type than declared. A
// null is no value, but an item of a list. A placeholder that some other tool fills
// in is no fault.
func (f *Fields) Check(root *Value, tell func(Fault)) {
	c := checker{tell: tell}
	c.at = c.room[:0]
	c.check(f, root)
}

// checker walks a tree. A path is made only of what is wrong: there are many values.
type checker struct {
	at   []step
	room [12]step
	tell func(Fault)
}

// step is one key, or one item of a list.
type step struct {
	key  string
	item int // from 1; 0: a key
}

func (c *checker) path() string {
	path := ""
	for _, s := range c.at {
		if s.item > 0 {
			path += "[" + strconv.Itoa(s.item-1) + "]"
			continue
		}
		path = JoinPath(path, s.key)
	}
	return path
}

func (c *checker) wrong(v *Value, want string) {
	c.tell(Fault{Path: c.path(), Line: int(v.Line), Text: fmt.Sprintf("is %s, must be %s", kindNames[v.Kind], want)})
}

func (c *checker) check(f *Fields, v *Value) {
	switch {
	case v.Kind <= Null, v.Kind == String && (f.yaml || Unresolved(v.Text)):
		// A document that says nothing, or of which the source tells.
	case f.yaml && (v.Kind == Number || v.Kind == Bool):
		c.wrong(v, "a text that holds YAML")
	case !f.list || f.shape == shapeAny:
		c.one(f, v)
	case v.Kind != List:
		c.wrong(v, "a list")
	default:
		for i := range v.Items {
			if at := &v.Items[i]; at.Kind != String || f.shape != shapeText && !Unresolved(at.Text) {
				c.in(step{item: i + 1}, f, at)
			}
		}
	}
}

// in checks what one step leads to: an item, or what stands below a key.
func (c *checker) in(s step, f *Fields, v *Value) {
	c.at = append(c.at, s)
	if s.item > 0 {
		c.one(f, v)
	} else {
		c.check(f, v)
	}
	c.at = c.at[:len(c.at)-1]
}

func (c *checker) one(f *Fields, v *Value) {
	if !f.shape.takes(v.Kind) {
		c.wrong(v, shapeNames[f.shape])
		return
	}
	if v.Kind != Map {
		return
	}
	for i, key := range v.Keys() {
		if below := f.declared(key); below != nil {
			c.in(step{key: key}, below, &v.Items[i])
		}
	}
}
