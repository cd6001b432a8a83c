// SPDX-License-Identifier: Apache-2.0

// Package document turns bytes into positioned objects: YAML and JSON streams,
// every sort of List, with the line of each kept field, in memory that grows
// with what is kept and not with what is read. Files, live clusters and dumps
// all pass through it.
//
// A stream takes two steps. One goroutine splits it into texts that each hold
// one object (split.go, json_split.go, yaml_split.go); workers decode the texts
// and keep of each object the declared fields (json.go, yaml.go). So one broken
// object costs that object only, and no object is held longer than it takes to
// decode it.
package document

import (
	"context"
	"io"

	"whohas/snapshot"
)

// MaxItem bounds one YAML document or one JSON object (an item of a list counts
// alone): what is larger is passed over and covered as unreadable.
const MaxItem = 16 << 20

// Reading tells what to keep of a stream and where it goes. It is a value: one
// Reading may serve many streams at once.
type Reading struct {
	Reads     snapshot.Reads
	Into      *snapshot.Builder
	File      string // for origins and messages; "" for a live cluster
	Namespace string // of namespaced objects that name none; "" means "default"

	// Memory may be shared by the streams of one run; nil is one of its own.
	Memory *Memory

	// Templates says that the file is one of a Helm chart's templates: what
	// does not parse there is no fault of the file.
	Templates bool

	// Generated says that the text was made from the file (by kustomize) and is not
	// the file's own: its lines say nothing.
	Generated bool
}

// Result tells what a stream held.
type Result struct {
	Objects   int                   // Kubernetes objects, modelled or not
	Kept      map[snapshot.Kind]int // modelled objects by kind
	Other     map[string]int        // "Kind.group" of objects that nobody reads
	Strangers int                   // documents that are no Kubernetes objects
	Templates int                   // strangers that only Helm can fill in, each covered
	Bad       int                   // documents or items that could not be read, each covered
	Odd       int                   // objects of which a declared field holds what it cannot, each covered
	Continue  string                // metadata.continue of the list, for paging
	Version   string                // metadata.resourceVersion of the list, for a watch

	// Cut says that a stream still gave objects when its time was up: what it would have
	// given is not known.
	Cut bool

	// Listed are the kinds that stood in a list of their own (NodeList), as the
	// API and kubectl cluster-info dump write them, and not in a plain List.
	Listed map[snapshot.Kind]bool
}

// Decode reads a stream to its end and hands the objects it holds to r.Into, in
// no order. Whatever is wrong with the text is covered there, and counted as
// Bad; the error is that of ctx or of in, and then what stood before it is
// delivered all the same. Once ctx is done Decode returns at once, even while a
// Read of in blocks; that Read is then left behind.
func (r Reading) Decode(ctx context.Context, in io.Reader) (Result, error) {
	feed := newFeed(ctx, in)
	defer feed.close()
	pool := newPool(ctx, &r)
	split := splitter{window: newWindow(feed), pool: pool}
	split.stream()
	result := pool.finish()
	if err := ctx.Err(); err != nil {
		return result, err
	}
	return result, feed.err
}

// Object decodes one JSON object, such as a watch's or an admission request's: nil where
// nobody reads its kind, or where it could not be read; what is wrong is told. r.Into is
// not used, and no goroutine started. The text may change afterwards.
func (r Reading) Object(text []byte) (*snapshot.Object, []snapshot.Coverage) {
	d := newDecoder(context.Background(), &r)
	d.single, d.holding = true, true
	d.item(item{text: text, whole: true, line: 1})
	d.names.free()
	return d.object, d.held
}

// Named is what an object says of itself.
type Named struct{ Namespace, Name, Version string }

// NameOf reads an object's name and its resourceVersion.
func NameOf(text []byte) (n Named, err error) {
	d := newDecoder(context.Background(), &Reading{})
	defer d.names.free()
	seen := false
	err = d.jsonMembers(text, func(key string) (took bool, err error) {
		if key != "metadata" {
			return false, nil
		}
		seen = true
		return d.jsonStrings(map[string]*string{"namespace": &n.Namespace, "name": &n.Name, "resourceVersion": &n.Version})
	}, func() bool { return seen })
	return n, err
}

// Add joins what another stream held.
func (r *Result) Add(o Result) {
	r.Objects += o.Objects
	r.Strangers += o.Strangers
	r.Templates += o.Templates
	r.Bad += o.Bad
	r.Odd += o.Odd
	r.Cut = r.Cut || o.Cut
	for k, n := range o.Kept {
		r.keep(k, n)
	}
	for k, n := range o.Other {
		r.other(k, n)
	}
	for k := range o.Listed {
		r.list(k)
	}
	if o.Continue != "" {
		r.Continue = o.Continue
	}
	if o.Version != "" {
		r.Version = o.Version
	}
}

func (r *Result) list(k snapshot.Kind) {
	if r.Listed == nil {
		r.Listed = map[snapshot.Kind]bool{}
	}
	r.Listed[k] = true
}

func (r *Result) keep(k snapshot.Kind, n int) {
	if r.Kept == nil {
		r.Kept = map[snapshot.Kind]int{}
	}
	r.Kept[k] += n
}

func (r *Result) other(kind string, n int) {
	if r.Other == nil {
		r.Other = map[string]int{}
	}
	r.Other[kind] += n
}

// Cover tells in the coverage which kinds were read and how many of each, and
// which are not modelled. complete says that all objects of the kinds were
// there.
func (r Result) Cover(into *snapshot.Builder, complete bool) {
	for k, n := range r.Kept {
		into.Cover(snapshot.Coverage{Source: k.Source(), Status: snapshot.StatusRead, Count: n, Complete: complete})
	}
	for kind, n := range r.Other {
		into.Cover(snapshot.Coverage{Source: kind, Status: snapshot.StatusRead, Count: n, Detail: "not modelled"})
	}
}
