// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"whohas/snapshot"
	"whohas/source/live"
	"whohas/testkit/apiserver"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// world is what a Follower has been told so far.
type world struct {
	mu    sync.Mutex
	parts map[live.Part]map[snapshot.Ref]*snapshot.Snapshot
	cover map[live.Part]snapshot.Coverage
	lists map[live.Part]int
}

func newWorld() *world {
	return &world{parts: map[live.Part]map[snapshot.Ref]*snapshot.Snapshot{}, cover: map[live.Part]snapshot.Coverage{}, lists: map[live.Part]int{}}
}

func refOf(s *snapshot.Snapshot) snapshot.Ref {
	switch {
	case len(s.Pods) == 1:
		return s.Pods[0].Ref()
	case len(s.Slices) == 1:
		return s.Slices[0].Ref
	}
	return s.Objects[0].Ref
}

func (w *world) All(p live.Part, s *snapshot.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists[p]++
	w.parts[p] = map[snapshot.Ref]*snapshot.Snapshot{}
	one := func(add func(*snapshot.Builder)) {
		into := new(snapshot.Builder)
		add(into)
		x := into.Snapshot()
		w.parts[p][refOf(x)] = x
	}
	for _, o := range s.Objects {
		one(func(b *snapshot.Builder) { b.AddObject(o) })
	}
	for _, o := range s.Pods {
		one(func(b *snapshot.Builder) { b.AddPod(o) })
	}
	for _, o := range s.Slices {
		one(func(b *snapshot.Builder) { b.AddSlice(o) })
	}
}

func (w *world) One(p live.Part, s *snapshot.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts[p][refOf(s)] = s
}

func (w *world) Gone(p live.Part, r snapshot.Ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.parts[p], r)
}

func (w *world) Cover(p live.Part, c snapshot.Coverage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cover[p] = c
}

// now is all of it as one snapshot.
func (w *world) now() *snapshot.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	into := new(snapshot.Builder)
	for _, part := range w.parts {
		for _, s := range part {
			for _, o := range s.Objects {
				into.AddObject(o)
			}
			for _, o := range s.Pods {
				into.AddPod(o)
			}
			for _, o := range s.Slices {
				into.AddSlice(o)
			}
		}
	}
	return into.Snapshot()
}

// gappy breaks watches: some end in the middle, some tell that what they know is too old.
type gappy struct {
	http.RoundTripper
	n atomic.Int32
}

func (g *gappy) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := g.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.Query().Get("watch") == "" {
		return res, err
	}
	switch g.n.Add(1) % 3 {
	case 1:
		_ = res.Body.Close()
		res.Body = io.NopCloser(strings.NewReader(`{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,"message":"too old"}}`))
	case 2:
		_ = res.Body.Close()
		res.Body = io.NopCloser(strings.NewReader(`{"type":"ADDED","object":{"kind":"Serv`))
	}
	return res, nil
}

const classes = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: wanted}
spec: {controller: example.com/a}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: other}
spec: {controller: example.com/b}
`

func TestFollow(t *testing.T) {
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprintf("broken=%v", broken), func(t *testing.T) { testFollow(t, broken) })
	}
}

func testFollow(t *testing.T, broken bool) {
	server := apiserver.Start(t)
	server.KubectlInput(node+"---"+services(24)+"---"+proxyConfig, "apply", "-f", "-")
	server.KubectlInput(nodeStatus, "apply", "--server-side", "--subresource=status", "-f", "-")
	cfg := config(t, server, apiserver.Admin)
	if broken {
		cfg.Wrap(func(rt http.RoundTripper) http.RoundTripper { return &gappy{RoundTripper: rt} })
	}
	w := newWorld()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		ended <- live.Follow(ctx, live.Options{Config: cfg, Reads: reads(t), PageSize: 10, Rediscover: time.Second}, w)
	}()
	plain := config(t, server, apiserver.Admin)
	same := func(what string) {
		t.Helper()
		diff := ""
		for begun := time.Now(); time.Since(begun) < 60*time.Second; time.Sleep(100 * time.Millisecond) {
			want := read(t, live.Options{Config: plain, Reads: reads(t)})
			if diff = cmp.Diff(want, w.now(), cmpopts.IgnoreFields(snapshot.Snapshot{}, "Coverage", "Taken"), cmpopts.IgnoreUnexported(snapshot.Snapshot{}), cmpopts.EquateComparable()); diff == "" {
				return
			}
		}
		t.Fatalf("%s: what is followed is not what is there (-there +followed):\n%s", what, diff)
	}
	same("at first")
	server.Kubectl("delete", "service", "s00", "s01")
	server.Kubectl("patch", "service", "tomcat", "-p", `{"spec":{"externalIPs":["192.168.10.115"]}}`)
	server.KubectlInput(strings.Replace(proxyConfig, "mode: ipvs", "mode: nftables", 1), "apply", "-f", "-")
	server.KubectlInput(classes, "apply", "-f", "-")
	same("after changes")
	if w.now().First(classKind.Ref("", "wanted")) == nil || w.now().First(classKind.Ref("", "other")) != nil {
		t.Error("of a kind without namespaces not the named one is followed")
	}
	server.Serve(apiserver.IPAddressPool)
	server.KubectlInput(pool, "apply", "-f", "-")
	same("a kind that is new")
	server.Kubectl("delete", "crd", "ipaddresspools.metallb.io")
	same("a kind that is gone")
	if c := w.cover[live.Part{Kind: nodeKind}]; c.Status != snapshot.StatusRead || !c.Complete || c.Count != 1 {
		t.Errorf("coverage of nodes: %+v", c)
	}
	if c := w.cover[live.Part{Kind: ciliumKind}]; c.Status != snapshot.StatusAbsent || !c.Complete {
		t.Errorf("coverage of a kind that is not served: %+v", c)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("Follow goes on when its context is over")
	}
}

// TestFollowHomeless: what stands in a namespace that is not there is not there, though an
// apiserver says "forbidden"; once the namespace is, it is forbidden.
func TestFollowHomeless(t *testing.T) {
	server := apiserver.Start(t)
	server.KubectlInput(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"see"},"rules":[{"apiGroups":[""],"resources":["namespaces"],"resourceNames":["metallb-system"],"verbs":["get"]}]}`, "create", "-f", "-")
	server.Kubectl("create", "clusterrolebinding", "see", "--clusterrole=see", "--user=limited")
	wanted, err := snapshot.NewReads(snapshot.Read{Kind: configMapKind, Names: []string{"metallb-system/config"}, Fields: []string{"data.config"}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		_ = live.Follow(ctx, live.Options{Config: config(t, server, apiserver.Limited), Reads: wanted, Rediscover: 200 * time.Millisecond}, w)
	}()
	part := live.Part{Kind: configMapKind, Name: "metallb-system/config"}
	until := func(want snapshot.Status) {
		t.Helper()
		for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			w.mu.Lock()
			c := w.cover[part]
			w.mu.Unlock()
			if c.Status == want {
				return
			}
			if time.Since(begun) > time.Minute {
				t.Fatalf("coverage: %+v, want %s", c, want)
			}
		}
	}
	until(snapshot.StatusRead)
	server.Kubectl("create", "namespace", "metallb-system")
	until(snapshot.StatusDenied)
}

func TestFollowForbidden(t *testing.T) {
	server := apiserver.Start(t)
	w := newWorld()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		_ = live.Follow(ctx, live.Options{Config: config(t, server, apiserver.Limited), Reads: reads(t)}, w)
	}()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		w.mu.Lock()
		c := w.cover[live.Part{Kind: nodeKind}]
		w.mu.Unlock()
		if c.Status == snapshot.StatusDenied && strings.HasPrefix(c.Detail, `forbidden: User "limited" cannot list`) {
			return
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("coverage of what may not be read: %+v", c)
		}
	}
}
