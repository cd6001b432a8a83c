// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"whohas/check"
	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/document"
	"whohas/source/live"
	"whohas/testkit/randcluster"
)

func reads(tb interface{ Fatal(...any) }) snapshot.Reads {
	r, err := check.Reads()
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// parts takes a snapshot apart as lists would give it.
func parts(w *Watch, s *snapshot.Snapshot) map[live.Part]*snapshot.Snapshot {
	out := map[live.Part]*snapshot.Snapshot{}
	for _, p := range w.wants {
		into := new(snapshot.Builder)
		for _, o := range s.Objects {
			if is(p, o.Ref) {
				into.AddObject(o)
			}
		}
		for _, x := range s.Pods {
			if is(p, x.Ref()) {
				into.AddPod(x)
			}
		}
		for _, x := range s.Slices {
			if is(p, x.Ref) {
				into.AddSlice(x)
			}
		}
		out[p] = into.Snapshot()
	}
	return out
}

func is(p live.Part, r snapshot.Ref) bool {
	name := r.Namespace + "/" + r.Name
	return p.Kind.Kind == r.Kind && p.Kind.Group == r.Group && (p.Name == "" || p.Name == name)
}

// only is one object of a snapshot.
func only(s *snapshot.Snapshot, r snapshot.Ref) *snapshot.Snapshot {
	into := new(snapshot.Builder)
	for _, o := range s.Of(r) {
		into.AddObject(o)
	}
	for _, x := range s.Pods {
		if x.Ref() == r {
			into.AddPod(x)
		}
	}
	for _, x := range s.Slices {
		if x.Ref == r {
			into.AddSlice(x)
		}
	}
	return into.Snapshot()
}

// TestFollowsEveryChange: whatever order changes come in, as lists or one by one, what
// the watch knows in the end is what a reading of everything would show.
func TestFollowsEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := New(Options{Reads: reads(t), Rules: rules.All()})
		var last *snapshot.Snapshot
		for range rapid.IntRange(1, 3).Draw(t, "worlds") {
			last = whole(w, randcluster.Random().Draw(t, "world").Snapshot(t))
			for p, s := range parts(w, last) {
				become(t, w, p, s)
				w.Cover(p, snapshot.Coverage{Source: p.Kind.Source(), Status: snapshot.StatusRead, Complete: true})
			}
		}
		w.draw()
		view := claimants.View(last)
		in := check.Input{View: view, Facts: cluster.Infer(last, "", ""), Objects: last, Coverage: last.Coverage, Rules: rules.All()}
		want, got := check.Run(in), check.Result{}
		w.Look(func(in check.Input) { got = check.Run(in) })
		opts := cmp.Options{
			cmp.Comparer(func(a, b *rule.Rule) bool { return a == b }), cmp.Comparer(func(a, b claim.Range) bool { return a == b }),
			cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty(),
		}
		if diff := cmp.Diff(want, got, opts); diff != "" {
			t.Fatalf("findings (-read +watched):\n%s", diff)
		}
		copied, _ := w.Copy()
		if diff := cmp.Diff(want, check.Run(copied), opts); diff != "" {
			t.Fatalf("findings of the copy (-read +copied):\n%s", diff)
		}
		if claims, _ := w.Size(); claims != len(slices.Collect(view.All())) {
			t.Errorf("%d claims, want %d", claims, len(slices.Collect(view.All())))
		}
	})
}

// TestPodLosesItsTree: a Pod that carries configuration no more is not held as if it did.
func TestPodLosesItsTree(t *testing.T) {
	w := New(Options{Reads: reads(t), Rules: rules.All()})
	part := live.Part{Kind: snapshot.PodKind}
	pod := snapshot.Pod{Namespace: "kube-system", Name: "kube-proxy-x"}
	with := new(snapshot.Builder)
	with.AddPod(pod)
	with.AddObject(&snapshot.Object{Ref: pod.Ref(), Version: "v1"})
	w.One(part, with.Snapshot())
	without := new(snapshot.Builder)
	pod.Node = "cdev01"
	without.AddPod(pod)
	w.One(part, without.Snapshot())
	if in, _ := w.Copy(); len(in.Objects.Of(pod.Ref())) != 0 {
		t.Error("the tree is still held")
	}
}

// whole is a snapshot as a live cluster gives it: of kinds that it serves, of which
// everything was read, each object once.
func whole(w *Watch, s *snapshot.Snapshot) *snapshot.Snapshot {
	into := new(snapshot.Builder)
	seen := map[snapshot.Ref]bool{}
	for _, o := range s.Objects {
		if !seen[o.Ref] && slices.ContainsFunc(w.wants, func(p live.Part) bool { return is(p, o.Ref) }) {
			into.AddObject(o)
		}
		seen[o.Ref] = true
	}
	for _, x := range s.Pods {
		into.AddPod(x)
	}
	for _, x := range s.Slices {
		into.AddSlice(x)
	}
	kinds := map[string]bool{}
	for _, p := range w.wants {
		if source := p.Kind.Source(); !kinds[source] {
			kinds[source] = true
			into.Cover(snapshot.Coverage{Source: source, Status: snapshot.StatusRead, Complete: true})
		}
	}
	return into.Snapshot()
}

// become makes a part what it is in s, by a list or by events in some order.
func become(t *rapid.T, w *Watch, p live.Part, s *snapshot.Snapshot) {
	if rapid.Bool().Draw(t, "list") {
		w.All(p, s)
		return
	}
	var events []snapshot.Ref
	now := map[snapshot.Ref]bool{}
	for r := range refs(s) {
		if !now[r] {
			events = append(events, r)
		}
		now[r] = true
	}
	for r := range w.held(p) {
		if !now[r] {
			events = append(events, r)
		}
	}
	slices.SortFunc(events, snapshot.Ref.Compare)
	if len(events) == 0 {
		return
	}
	for _, r := range rapid.Permutation(events).Draw(t, "order") {
		switch {
		case !now[r]:
			w.Gone(p, r)
		default:
			w.One(p, only(s, r))
			if rapid.Bool().Draw(t, "twice") {
				w.One(p, only(s, r))
			}
		}
	}
}

// TestHeldIsNotChanged: neither a copy nor a drawing touches what is held, which
// decisions look at meanwhile.
func TestHeldIsNotChanged(t *testing.T) {
	w := New(Options{Reads: reads(t), Rules: rules.All()})
	part := live.Part{Kind: cluster.NodeKind}
	var held []*snapshot.Object
	for _, name := range []string{"a", "b"} { // of one shape, and decoded apart
		o, faults := document.Reading{Reads: w.Reads}.Object([]byte(`{"apiVersion":"v1","kind":"Node","metadata":{"name":"` + name + `"},"status":{"addresses":[{"type":"InternalIP","address":"192.168.10.1"}]}}`))
		if o == nil || len(faults) > 0 {
			t.Fatal(faults)
		}
		into := new(snapshot.Builder)
		into.Add(o)
		w.One(part, into.Snapshot())
		held = append(held, o)
	}
	before := []*string{unsafe.SliceData(held[0].Root.Keys()), unsafe.SliceData(held[1].Root.Keys())}
	if before[0] == before[1] {
		t.Fatal("the two share their keys already: this shows nothing")
	}
	for what, do := range map[string]func(){"copy": func() { w.Copy() }, "drawing": func() { w.basis() }} {
		do()
		for i, o := range held {
			if unsafe.SliceData(o.Root.Keys()) != before[i] {
				t.Errorf("a %s changes %s", what, o.Ref)
			}
		}
	}
}
