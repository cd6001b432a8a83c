// SPDX-License-Identifier: Apache-2.0

// Package live reads a running cluster, and never writes to it.
//
// Discovery tells which of the wanted kinds are served, and in which version.
// Then kinds are read in parallel, each page by page, and each page is decoded
// while it arrives: what is held is what is kept. Whatever could not be read is
// coverage; a broken part of the API costs the kinds that it serves.
package live

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"whohas/snapshot"

	"k8s.io/client-go/rest"
)

// Options tell what to read, and how. Config and Reads must be given.
type Options struct {
	Config *rest.Config // not changed
	Reads  snapshot.Reads

	// Namespaces are listed one by one where all at once is forbidden.
	Namespaces []string

	// Progress is told after each page how many objects of a kind there are so
	// far. It is called by one goroutine at a time.
	Progress func(kind string, objects int)

	// Known skips discovery for kinds of the core group, which every server has at
	// v1: where a second counts, the catalogue of all kinds is too dear.
	Known bool

	PageSize int64 // objects a page; default 500
	Workers  int   // requests at a time; default 8

	// Rediscover is how often Follow asks which kinds there are; default a minute.
	Rediscover time.Duration

	// Idle bounds how long a request may go without a byte of answer; default
	// 30 seconds.
	Idle time.Duration
}

// Read reads the cluster into a Builder. What cannot be read is coverage there;
// an error means that Config makes no sense.
func Read(ctx context.Context, o Options, into *snapshot.Builder) error {
	o = o.filled()
	client, finder, err := connect(o.Config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	ctx = quiet(ctx)
	r := &reader{Options: o, client: client, into: into}
	targets, err := r.discover(ctx, finder)
	if err != nil {
		f := faultOf(err)
		into.Cover(snapshot.Coverage{Source: "cluster", Status: snapshot.StatusUnreadable, Detail: f.detail, Failed: true})
		return nil
	}
	into.TakenAt(time.Now())
	r.readAll(ctx, targets)
	return nil
}

func (o Options) filled() Options {
	o.PageSize = cmp.Or(o.PageSize, 500)
	o.Workers = cmp.Or(o.Workers, 8)
	o.Idle = cmp.Or(o.Idle, 30*time.Second)
	return o
}

type reader struct {
	Options
	client *rest.RESTClient
	into   *snapshot.Builder

	mu sync.Mutex // one call of Progress at a time
}

// discover finds the kinds, first what there is most of: its pages come one
// after the other, and everything else is read beside them.
func (r *reader) discover(ctx context.Context, finder *rest.RESTClient) ([]target, error) {
	kinds := slices.DeleteFunc(slices.Clone(r.Reads.Kinds()), fileOnly)
	slices.SortStableFunc(kinds, func(a, b snapshot.Kind) int { return numerous(b) - numerous(a) })
	if r.Known && !slices.ContainsFunc(kinds, func(k snapshot.Kind) bool { return k.Group != "" }) {
		return known(kinds), nil
	}
	return discover(ctx, finder, kinds, r.Idle)
}

func numerous(k snapshot.Kind) int {
	switch k {
	case snapshot.PodKind:
		return 2
	case snapshot.EndpointSliceKind:
		return 1
	}
	return 0
}

// fileOnly reports whether a kind is the format of a file and nothing that an API
// server could serve.
func fileOnly(k snapshot.Kind) bool {
	return strings.HasSuffix(k.Group, "kubeproxy.config.k8s.io") || strings.HasSuffix(k.Group, "kubeadm.k8s.io")
}

func (r *reader) readAll(ctx context.Context, targets []target) {
	work := make(chan target)
	var workers sync.WaitGroup
	for range min(r.Workers, len(targets)) {
		workers.Go(func() {
			for t := range work {
				r.into.Cover(r.read(ctx, t))
			}
		})
	}
	for _, t := range targets {
		work <- t
	}
	close(work)
	workers.Wait()
}

// read reads one kind and tells what came of it.
func (r *reader) read(ctx context.Context, t target) snapshot.Coverage {
	l := &listing{reader: r, target: t}
	switch {
	case t.err != nil:
		return l.covered(t.err)
	case t.path == "":
		return t.absent()
	case r.Reads.Names(t.kind) != nil:
		return l.readNames(ctx)
	}
	return l.readAll(ctx)
}

func (t target) absent() snapshot.Coverage {
	return snapshot.Coverage{Source: t.kind.Source(), Status: snapshot.StatusAbsent, Complete: true, Detail: "not installed"}
}

func (r *reader) progress(k snapshot.Kind, objects int) {
	if r.Progress == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Progress(k.Source(), objects)
}
