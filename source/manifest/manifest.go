// SPDX-License-Identifier: Apache-2.0

// Package manifest reads manifests where kubectl finds them: files,
// directories, patterns, URLs and standard input as -f and -R name them, and
// kustomizations as -k does.
package manifest

import (
	"context"
	"io"
	"runtime"
	"sync"

	"whohas/snapshot"
	"whohas/source/document"
)

// Options say what to read.
type Options struct {
	Paths     []string // as on the command line: files, directories, patterns, URLs, "-"
	Recursive bool     // go below the directories
	Stdin     io.Reader
	Reads     snapshot.Reads
	Namespace string            // of objects that name none
	Complete  bool              // the paths hold every object of the kinds they hold
	Progress  func(file string) // called before each file, never twice at once; may be nil
	Gates     bool              // a job rests on it: what looks like a manifest and is passed over is Failed
}

// source is one stream to read: a file, most often.
type source struct {
	name  string // as given, joined with the rest
	named []int  // the indexes of the paths that led to it
	open  opener
	slow  bool // may keep its reader waiting (a pipe, a download): it gets one of its own
}

type opener func(context.Context) (io.ReadCloser, error)

// reader is one call of Read.
type reader struct {
	Options
	into    *snapshot.Builder
	sources []source
	places  map[string]int // of the sources, by name
	charts  charts
	memory  document.Memory

	mu     sync.Mutex
	result document.Result
	held   []holding // by named path
}

// holding is what a named path came to.
type holding struct {
	objects int
	told    bool // why there is nothing to check
}

// Read reads what the paths name, as many files at once as there are
// processors. Origins carry the path as given, joined with the rest. What could
// not be read is in the coverage, Failed where it was asked for; so is what was
// read, by kind. The error is that of ctx.
func Read(ctx context.Context, o Options, into *snapshot.Builder) (document.Result, error) {
	r := &reader{Options: o, into: into, places: map[string]int{}, held: make([]holding, len(o.Paths))}
	for i, path := range o.Paths {
		r.find(ctx, i, path)
	}
	r.readAll(ctx)
	if ctx.Err() == nil {
		r.coverEmpty()
	}
	r.result.Cover(into, o.Complete)
	return r.result, ctx.Err()
}

func (r *reader) readAll(ctx context.Context) {
	work := make(chan source)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(r.sources)) {
		workers.Go(func() {
			for s := range work {
				r.read(ctx, s)
			}
		})
	}
	for _, s := range r.sources {
		if s.slow {
			workers.Go(func() { r.read(ctx, s) })
			continue
		}
		work <- s // the workers run through quickly once ctx is done
	}
	close(work)
	workers.Wait()
}

func (r *reader) read(ctx context.Context, s source) {
	if err := ctx.Err(); err != nil {
		r.fail(s.name, reason(err), s.named...)
		return
	}
	r.progress(s.name)
	in, err := open(ctx, s)
	if err != nil {
		r.fail(s.name, reason(err), s.named...)
		return
	}
	defer in.Close()
	reading := document.Reading{
		Reads: r.Reads, Into: r.into, File: s.name, Namespace: r.Namespace, Templates: r.charts.template(s.name),
		Memory: &r.memory,
	}
	result, err := reading.Decode(ctx, in)
	result.Cut = s.slow && result.Objects > 0 && ctx.Err() != nil
	if err != nil {
		r.fail(s.name, reason(err), s.named...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Add(result)
	for _, n := range s.named {
		h := &r.held[n]
		h.objects += result.Objects
		h.told = h.told || result.Bad+result.Templates > 0
	}
}

func (r *reader) progress(name string) {
	if r.Progress == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Progress(name)
}

// fail covers something that the named paths asked for and that cannot be read.
func (r *reader) fail(name, why string, named ...int) {
	r.mu.Lock()
	for _, n := range named {
		r.held[n].told = true
	}
	r.mu.Unlock()
	r.into.Cover(snapshot.Coverage{Source: name, Status: snapshot.StatusUnreadable, Detail: why, Failed: true})
}

// pass covers something that a directory holds and nobody asked for: kubectl does not
// read it either, but other tools may apply it.
func (r *reader) pass(name, why string) {
	r.into.Cover(snapshot.Coverage{Source: name, Status: snapshot.StatusUnreadable, Detail: why, Failed: r.Gates})
}

// coverEmpty covers the named paths in which there was nothing to check: to
// call them clean would be wrong.
func (r *reader) coverEmpty() {
	for i, path := range r.Paths {
		if h := r.held[i]; h.objects == 0 && !h.told {
			r.fail(path, "holds no kubernetes object", i)
		}
	}
}
