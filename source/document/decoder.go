// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"

	"whohas/snapshot"
	"whohas/source/document/plainyaml"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxDepth = 200  // of an object's tree
	maxTold  = 1000 // faults told one by one: a file of faults is one bad file
)

// decoder decodes items, one at a time. Each goroutine has its own.
type decoder struct {
	ctx     context.Context
	reading *Reading
	result  Result
	told    *atomic.Int64 // faults told, by all of a call's decoders
	names   interned
	stack   stack
	nodes   plainyaml.Memory
	json    *jsontext.Decoder
	input   bytes.Buffer

	holding bool // what is told waits in held until it is sure
	held    []snapshot.Coverage

	single bool             // the object goes nowhere but here
	object *snapshot.Object // the last one
}

func newDecoder(ctx context.Context, r *Reading) *decoder {
	return &decoder{ctx: ctx, reading: r, told: new(atomic.Int64), names: interned{memory: r.Memory}}
}

func (d *decoder) batch(b *batch) {
	for _, i := range b.items {
		if d.ctx.Err() != nil {
			break
		}
		d.item(i)
	}
	b.text, b.items = b.text[:0], b.items[:0]
}

func (d *decoder) item(i item) {
	d.stack.made = 0
	if i.yaml {
		d.yamlItem(i)
		return
	}
	d.jsonItem(i)
}

// bad covers a document or an item that could not be read.
func (d *decoder) bad(line int, detail string) {
	d.result.Bad++
	d.tell(snapshot.Coverage{Status: snapshot.StatusUnreadable, Line: line, Detail: detail, Failed: true})
}

// partial covers something that is wrong in an object which is read all the same.
func (d *decoder) partial(line int, detail string) {
	d.tell(snapshot.Coverage{Status: snapshot.StatusPartial, Line: line, Detail: detail, Failed: true})
}

func (d *decoder) tell(c snapshot.Coverage) {
	if d.ctx.Err() != nil {
		return // what fails now fails for that, and the caller is told
	}
	if d.holding {
		d.held = append(d.held, c)
		return
	}
	c.Source = d.reading.source()
	if d.reading.Generated {
		c.Line = 0
	}
	switch n := d.told.Add(1); {
	case n > maxTold:
		return
	case n == maxTold:
		c.Status, c.Line, c.Failed = snapshot.StatusPartial, 0, true
		c.Detail = fmt.Sprintf("more than %d faults; the rest is not listed", maxTold)
	}
	d.reading.Into.Cover(c)
}

// source is what the coverage calls the stream.
func (r *Reading) source() string {
	if r.File == "" {
		return "stream"
	}
	return r.File
}

// kept is a kind that is wanted, and how.
type kept struct {
	kind    snapshot.Kind
	fields  *snapshot.Fields
	version string
}

// classify counts an object by what it says of itself; ok is false for one that
// is not kept.
func (d *decoder) classify(h head) (k kept, ok bool) {
	group, version := snapshot.SplitAPIVersion(h.apiVersion)
	if h.kind == "" || h.apiVersion == "" || group == "kustomize.config.k8s.io" {
		d.result.Strangers++
		return kept{}, false
	}
	d.result.Objects++
	kind, fields, ok := d.reading.Reads.Kind(group, h.kind)
	if !ok {
		name := h.kind
		if group != "" {
			name += "." + group
		}
		d.stranger(name)
		return kept{}, false
	}
	return kept{kind, fields, version}, true
}

// stranger counts an object that nobody reads, by its kind. Whoever makes up kinds
// without end is stopped by what they take.
func (d *decoder) stranger(kind string) {
	if _, ok := d.result.Other[kind]; !ok && d.reading.Into != nil && !d.reading.Into.Budget.Take(int64(len(kind))+perKind) {
		return
	}
	d.result.other(kind, 1)
}

// perKind is about what an entry of Other and its line of coverage take.
const perKind = 256

// emptyList counts the kind of a typed list that may have no items: to have
// read that there are none is to have read the kind.
func (d *decoder) emptyList(l *list) {
	h, _ := l.typed()
	group, _ := snapshot.SplitAPIVersion(h.apiVersion)
	if kind, _, ok := d.reading.Reads.Kind(group, h.kind); ok {
		d.result.keep(kind, 0)
		d.result.list(kind)
	}
}

// wants reports whether the object of that name is kept.
func (d *decoder) wants(k kept, namespace, name string) bool {
	return d.reading.Reads.Wants(k.kind, d.namespace(k, namespace), name)
}

func (d *decoder) namespace(k kept, namespace string) string {
	switch {
	case !k.kind.Namespaced:
		return ""
	case namespace != "":
		return namespace
	case d.reading.Namespace != "":
		return d.reading.Namespace
	}
	return "default"
}

// deliver hands a decoded object over.
func (d *decoder) deliver(k kept, root snapshot.Value, line int) {
	name := root.Get("metadata", "name").Text
	if name == "" {
		if prefix := root.Get("metadata", "generateName").Text; prefix != "" {
			name = prefix + "*"
		}
	}
	ref := k.kind.Ref(d.namespace(k, root.Get("metadata", "namespace").Text), name)
	if !d.wants(k, ref.Namespace, ref.Name) {
		return
	}
	d.result.keep(k.kind, 1)
	d.checkTypes(k, ref, &root)
	if d.reading.Generated {
		line = 0
		unplace(&root)
	}
	d.object = &snapshot.Object{Ref: ref, Version: k.version, File: d.reading.File, Line: line, Root: root}
	if !d.single {
		d.reading.Into.Add(d.object)
	}
}

// checkTypes tells of what stands in a field that holds something else: nobody may
// take what cannot be read there for nothing.
func (d *decoder) checkTypes(k kept, ref snapshot.Ref, root *snapshot.Value) {
	odd := 0
	k.fields.Check(root, func(f snapshot.Fault) {
		odd = 1
		d.tell(f.Cover(ref))
	})
	d.result.Odd += odd
}

// keepMap makes the value of a map, where one may stand: no map takes the place of
// a text that holds one.
func (d *decoder) keepMap(s fieldFilter, v snapshot.Value, dropped, ownsItems bool) snapshot.Value {
	if s.embeds() {
		return d.noText(s, v, "a map")
	}
	return s.keepMap(v, dropped, ownsItems)
}

func (d *decoder) keepList(s fieldFilter, v snapshot.Value) snapshot.Value {
	if s.embeds() {
		return d.noText(s, v, "a list")
	}
	return s.keepList(v)
}

func (d *decoder) noText(s fieldFilter, v snapshot.Value, is string) snapshot.Value {
	d.result.Odd++
	d.partial(int(v.Line), fmt.Sprintf("%s is %s, must be a text that holds YAML", s.fields.Path(), is))
	return snapshot.Value{Kind: snapshot.String, Line: v.Line}
}

// unplace drops the lines of a tree.
func unplace(v *snapshot.Value) {
	v.Line = 0
	for i := range v.Items {
		unplace(&v.Items[i])
	}
}
