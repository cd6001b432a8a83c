// SPDX-License-Identifier: Apache-2.0

package live

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"whohas/snapshot"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Follower is told what a cluster holds, and every change. Its methods are called
// by several goroutines at once, for one Part by one at a time; they should return
// quickly. What they are given is theirs.
type Follower interface {
	// All gives everything that a part holds now; what it does not give is gone.
	All(Part, *snapshot.Snapshot)
	// One gives an object that is new or has changed.
	One(Part, *snapshot.Snapshot)
	// Gone tells that an object is no more.
	Gone(Part, snapshot.Ref)
	// Cover tells how a part is read from now on.
	Cover(Part, snapshot.Coverage)
}

// Part is what one list and its watch show: all objects of a kind, or the one of
// that name where only some are wanted.
type Part struct {
	Kind snapshot.Kind
	Name string // NAMESPACE/NAME, or /NAME
}

// Follow tells a Follower what the cluster holds and how it changes, until ctx is
// over. What breaks is tried again by itself, with pauses that grow to 30 seconds
// (client-go tools/cache/reflector.go, v0.37): a watch that has a gap begins with a
// list again. Kinds that come into being later are found within Rediscover. An error
// means that Config makes no sense.
func Follow(ctx context.Context, o Options, to Follower) error {
	o = o.filled()
	client, finder, err := connect(o.Config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	f := &following{Options: o, client: client, to: to, running: map[Part]*running{}}
	f.keepUp(quiet(ctx), finder)
	f.ended.Wait()
	return nil
}

// rediscover is how long a new kind may go unseen.
const rediscover = time.Minute

type following struct {
	Options
	client  *rest.RESTClient
	to      Follower
	running map[Part]*running
	ended   sync.WaitGroup
}

// running is a part that is being followed, and where.
type running struct {
	target target
	stop   context.CancelFunc
	ended  chan struct{}
}

// keepUp asks now and then which kinds are served, and follows those.
func (f *following) keepUp(ctx context.Context, finder *rest.RESTClient) {
	for wait := time.Second; ; wait = min(2*wait, cmp.Or(f.Rediscover, rediscover)) {
		r := &reader{Options: f.Options}
		targets, err := r.discover(ctx, finder)
		if err == nil {
			wait = cmp.Or(f.Rediscover, rediscover)
		}
		for _, t := range targets {
			for _, p := range parts(f.Reads, t.kind) {
				f.follow(ctx, p, t)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// Parts are those that Follow follows for some reads.
func Parts(reads snapshot.Reads) []Part {
	var out []Part
	for _, k := range reads.Kinds() {
		if !fileOnly(k) {
			out = append(out, parts(reads, k)...)
		}
	}
	return out
}

func parts(reads snapshot.Reads, k snapshot.Kind) []Part {
	names := reads.Names(k)
	if names == nil {
		return []Part{{Kind: k}}
	}
	var out []Part
	for _, name := range names {
		if ns, _, _ := strings.Cut(name, "/"); (ns != "") == k.Namespaced { // as in readNames
			out = append(out, Part{k, name})
		}
	}
	return out
}

// follow begins to follow a part, goes on, or ends it where it is not served any more.
// Of a kind of which it is not known whether it is served nothing changes.
func (f *following) follow(ctx context.Context, p Part, t target) {
	now := f.running[p]
	switch {
	case t.err != nil:
		if now == nil {
			f.to.Cover(p, coverOf(p, faultOf(t.err)))
		}
		return
	case now != nil && now.target.path == t.path:
		return
	case now != nil:
		now.stop()
		<-now.ended
		delete(f.running, p)
	}
	if t.path == "" {
		f.to.All(p, new(snapshot.Builder).Snapshot())
		f.to.Cover(p, t.absent())
		return
	}
	f.start(ctx, p, t)
}

func (f *following) start(ctx context.Context, p Part, t target) {
	ctx, stop := context.WithCancel(ctx)
	r := &running{target: t, stop: stop, ended: make(chan struct{})}
	f.running[p] = r
	source := &source{following: f, part: p, target: t}
	reflector := cache.NewReflectorWithOptions(source.listWatch(), nil, source, cache.ReflectorOptions{Name: p.Kind.Source(), TypeDescription: p.Kind.Kind})
	f.ended.Go(func() {
		defer close(r.ended)
		reflector.RunWithContext(ctx)
	})
}

// source is one part, as client-go's reflector lists, watches and stores it.
type source struct {
	*following
	part   Part
	target target
	away   bool // its namespace was not there at the last list; the reflector's alone
}

// at is the URL's path of the list.
func (s *source) at() string {
	if ns, _, _ := strings.Cut(s.part.Name, "/"); ns != "" {
		return path.Join(s.target.path, "namespaces", ns, s.target.resource)
	}
	return path.Join(s.target.path, s.target.resource)
}

// selector picks the one object that is wanted, where only one is.
func (s *source) selector() string {
	if s.part.Name == "" {
		return ""
	}
	return "metadata.name=" + s.part.Name[strings.Index(s.part.Name, "/")+1:]
}

func coverOf(p Part, f fault) snapshot.Coverage {
	return snapshot.Coverage{Source: p.Kind.Source(), Status: f.status, Detail: f.detail, Failed: f.failed}
}

// Replace implements cache.ReflectorStore.
func (s *source) Replace(list []any, _ string) error {
	into := new(snapshot.Builder)
	for _, x := range list {
		x.(*item).add(into)
	}
	all := into.Snapshot()
	count := all.Count()
	s.to.All(s.part, all)
	s.to.Cover(s.part, snapshot.Coverage{Source: s.part.Kind.Source(), Status: snapshot.StatusRead, Count: count, Complete: true})
	return nil
}

// Add implements cache.ReflectorStore.
func (s *source) Add(x any) error {
	s.to.One(s.part, x.(*item).held)
	return nil
}

// Update implements cache.ReflectorStore.
func (s *source) Update(x any) error { return s.Add(x) }

// Delete implements cache.ReflectorStore.
func (s *source) Delete(x any) error {
	i := x.(*item)
	s.to.Gone(s.part, s.part.Kind.Ref(i.Namespace, i.Name))
	return nil
}

// Resync implements cache.ReflectorStore; nothing is ever missed.
func (s *source) Resync() error { return nil }
