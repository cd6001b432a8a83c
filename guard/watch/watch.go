// SPDX-License-Identifier: Apache-2.0

// Package watch keeps the register of a live cluster up to date: what a guard decides
// by, and what an audit looks at. source/live tells it what the cluster holds, and
// each change; an object's claims take the place of those that it had.
package watch

import (
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"whohas/check"
	"whohas/claim"
	"whohas/claimants"
	"whohas/dataplane"
	"whohas/rule"
	"whohas/snapshot"
	"whohas/source/live"
)

// Options are what is known without the cluster. Reads and Rules must be given.
type Options struct {
	Reads        snapshot.Reads
	Rules        []*rule.Rule
	Mode         dataplane.ProxyMode // overrides what the cluster shows, as for cluster.Infer
	ModeFrom     string
	Claims       []claim.Claim            // that stand in no object
	Severities   map[string]rule.Severity // as in check.Input
	Suppressions []rule.Suppression       // the site's own
}

// Watch is a live.Follower. New makes one. It is safe for concurrent use.
type Watch struct {
	Options
	wants []live.Part
	basic map[snapshot.Ref]bool // kinds, as nameless references, that facts are drawn from

	mu       sync.RWMutex
	register *claim.Register
	objects  map[snapshot.Ref]*snapshot.Object
	pods     map[snapshot.Ref]snapshot.Pod
	slices   map[snapshot.Ref]snapshot.EndpointSlice
	cover    map[live.Part]snapshot.Coverage
	lines    []snapshot.Coverage // cover, one line for each kind
	facts    *rule.Facts

	stale   chan struct{} // the facts are older than what they are drawn from
	changed chan struct{} // claims are others than before
	ready   chan struct{}
	once    sync.Once
}

// New makes a Watch of a cluster of which nothing is known yet.
func New(o Options) *Watch {
	w := &Watch{
		Options: o, wants: live.Parts(o.Reads), basic: basicKinds(),
		register: new(claim.Register), facts: &rule.Facts{},
		objects: map[snapshot.Ref]*snapshot.Object{}, pods: map[snapshot.Ref]snapshot.Pod{}, slices: map[snapshot.Ref]snapshot.EndpointSlice{},
		cover: map[live.Part]snapshot.Coverage{},
		stale: make(chan struct{}, 1), changed: make(chan struct{}, 1), ready: make(chan struct{}),
	}
	for _, c := range o.Claims {
		w.register.Add(c)
	}
	return w
}

// Ready is closed once everything that can be read has been read, and the facts are
// drawn from it.
func (w *Watch) Ready() <-chan struct{} { return w.ready }

// Changed yields something after claims have changed: soon, and once for many changes.
func (w *Watch) Changed() <-chan struct{} { return w.changed }

// Look shows what is known, as it is now. Nothing of it may be used once f has returned.
// While f runs nothing changes: it must be quick.
func (w *Watch) Look(f func(check.Input)) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	f(check.Input{View: w.register, Facts: w.facts, Objects: objects(w.objects), Coverage: w.lines, Rules: w.Rules, Severities: w.Severities})
}

// Size is how many claims and objects there are.
func (w *Watch) Size() (claims, objects int) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.register.Len(), len(w.objects) + len(w.pods) + len(w.slices)
}

// Facts are the conclusions as they were drawn last.
func (w *Watch) Facts() *rule.Facts {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.facts
}

// Copy is everything that is known, to be looked at in peace, and the permissions
// that count. Objects are never changed: what holds them is copied, and they are not.
func (w *Watch) Copy() (in check.Input, allows []rule.Suppression) {
	w.mu.Lock() // all of it is of one moment, and Clone counts as a change
	view, facts, held, lines := w.register.Clone(), w.facts, maps.Clone(w.objects), w.lines
	w.mu.Unlock()
	for _, o := range held {
		allows = append(allows, check.SuppressionsOf(o)...)
	}
	slices.SortStableFunc(allows, func(a, b rule.Suppression) int { return a.Object.Compare(b.Object) })
	read := check.Coverage(&snapshot.Snapshot{Coverage: lines}, view, facts)
	in = check.Input{View: view, Facts: facts, Objects: objects(held), Coverage: read, Rules: w.Rules, Severities: w.Severities}
	return in, append(allows, w.Suppressions...)
}

// merged is one line for each kind. Of a kind of which only some names are wanted the
// worst line stands for all.
func (w *Watch) merged() []snapshot.Coverage {
	kinds := map[string]snapshot.Coverage{}
	for _, p := range w.wants {
		c, ok := w.cover[p]
		if old, twice := kinds[c.Source]; ok && !(twice && old.Status != snapshot.StatusRead) {
			kinds[c.Source] = c
		}
	}
	return slices.SortedFunc(maps.Values(kinds), func(a, b snapshot.Coverage) int { return strings.Compare(a.Source, b.Source) })
}

// All implements live.Follower. What is new comes in piece by piece, as by single
// changes: no decision waits for a whole list, and no second copy of all its claims is
// made.
func (w *Watch) All(p live.Part, s *snapshot.Snapshot) {
	w.keep(p, s)
	for piece := range pieces(s) {
		claims := claimsOf(piece)
		w.mu.Lock()
		w.tell(w.put(piece, claims))
		w.mu.Unlock()
	}
}

// keep drops what a list of a part does not show any more.
func (w *Watch) keep(p live.Part, s *snapshot.Snapshot) {
	now := make(map[snapshot.Ref]bool, s.Count())
	for r := range refs(s) {
		now[r] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	changed := false
	for r := range w.held(p) {
		if !now[r] {
			changed = w.drop(r) || changed
		}
	}
	w.tell(changed)
}

// pieceSize is how many objects come in at once.
const pieceSize = 200

// pieces take a list apart. A Pod and its tree stay together: one without the other is
// another Pod.
func pieces(s *snapshot.Snapshot) iter.Seq[*snapshot.Snapshot] {
	return func(yield func(*snapshot.Snapshot) bool) {
		into, n := new(snapshot.Builder), 0
		full := func() bool {
			if n++; n%pieceSize != 0 {
				return true
			}
			done := into.Snapshot()
			into = new(snapshot.Builder)
			return yield(done)
		}
		for _, o := range s.Objects {
			if o.Ref.Kind == snapshot.PodKind.Kind && o.Ref.Group == snapshot.PodKind.Group {
				continue
			}
			if into.Hold(o); !full() {
				return
			}
		}
		for _, p := range s.Pods {
			into.AddPod(p)
			for _, o := range s.Of(p.Ref()) {
				into.Hold(o)
			}
			if !full() {
				return
			}
		}
		for _, e := range s.Slices {
			if into.AddSlice(e); !full() {
				return
			}
		}
		if n%pieceSize != 0 {
			yield(into.Snapshot())
		}
	}
}

// held are the objects of a part that are known. Lists are rare, so that no table of
// them is kept; they may be dropped meanwhile.
func (w *Watch) held(p live.Part) iter.Seq[snapshot.Ref] {
	of := func(r snapshot.Ref) bool {
		return r.Kind == p.Kind.Kind && r.Group == p.Kind.Group && (p.Name == "" || p.Name == r.Namespace+"/"+r.Name)
	}
	return func(yield func(snapshot.Ref) bool) {
		for _, all := range []iter.Seq[snapshot.Ref]{maps.Keys(w.objects), maps.Keys(w.pods), maps.Keys(w.slices)} {
			for r := range all {
				if of(r) && !yield(r) {
					return
				}
			}
		}
	}
}

// One implements live.Follower.
func (w *Watch) One(_ live.Part, s *snapshot.Snapshot) {
	claims := claimsOf(s)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known(s) {
		return
	}
	w.tell(w.put(s, claims))
}

// Gone implements live.Follower.
func (w *Watch) Gone(_ live.Part, r snapshot.Ref) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell(w.drop(r))
}

// Cover implements live.Follower.
func (w *Watch) Cover(p live.Part, c snapshot.Coverage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.Count = 0 // it changes with every object
	if old, was := w.cover[p]; was && old == c {
		return
	}
	w.cover[p] = c
	w.lines = w.merged()
	nudge(w.stale)
	nudge(w.changed)
}

func (w *Watch) tell(changed bool) {
	if changed {
		nudge(w.changed)
	}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// known reports whether the one object of s is held already as it is.
func (w *Watch) known(s *snapshot.Snapshot) bool {
	for _, o := range s.Objects {
		old := w.objects[o.Ref]
		if old == nil || !reflect.DeepEqual(old.Root, o.Root) {
			return false
		}
	}
	for i := range s.Pods {
		old, ok := w.pods[s.Pods[i].Ref()]
		if !ok || !reflect.DeepEqual(old, s.Pods[i]) {
			return false
		}
	}
	for i := range s.Slices {
		old, ok := w.slices[s.Slices[i].Ref]
		if !ok || !reflect.DeepEqual(old, s.Slices[i]) {
			return false
		}
	}
	return true
}

// put holds what s has in place of what was held of the same objects, and tells
// whether that changes a claim.
func (w *Watch) put(s *snapshot.Snapshot, claims map[snapshot.Ref][]claim.Claim) bool {
	changed := false
	for r := range refs(s) {
		changed = w.claim(r, claims[r]) || changed
	}
	for _, o := range s.Objects {
		changed = changed || allowText(w.objects[o.Ref]) != allowText(o)
		w.objects[o.Ref] = o
	}
	for _, p := range s.Pods {
		if w.pods[p.Ref()] = p; len(s.Of(p.Ref())) == 0 {
			delete(w.objects, p.Ref()) // it does not carry configuration any more
		}
	}
	for _, e := range s.Slices {
		w.slices[e.Ref] = e
	}
	return changed
}

// allowText is what an object allows, as it is written.
func allowText(o *snapshot.Object) string {
	if o == nil {
		return ""
	}
	return o.Annotation(check.AllowAnnotation).Text()
}

func (w *Watch) drop(r snapshot.Ref) bool {
	delete(w.objects, r)
	delete(w.pods, r)
	delete(w.slices, r)
	return w.claim(r, nil)
}

// claim replaces an object's claims, where they are others.
func (w *Watch) claim(r snapshot.Ref, now []claim.Claim) bool {
	if w.bearsFacts(r) {
		nudge(w.stale)
	}
	slices.SortFunc(now, claim.Compare)
	if slices.EqualFunc(slices.SortedFunc(w.register.Of(r), claim.Compare), now, func(a, b claim.Claim) bool { return claim.Compare(a, b) == 0 }) {
		return false
	}
	w.register.Replace(r, now)
	return true
}

// claimsOf lists what each object of a snapshot claims.
func claimsOf(s *snapshot.Snapshot) map[snapshot.Ref][]claim.Claim {
	out := map[snapshot.Ref][]claim.Claim{}
	if len(s.Objects) == 1 && len(s.Pods) == 0 && len(s.Slices) == 0 { // a register for one is most of a change's cost
		out[s.Objects[0].Ref] = claimants.Claims(s.Objects[0])
		return out
	}
	for c := range claimants.Register(s).All() {
		out[c.By] = append(out[c.By], c)
	}
	return out
}

// refs are the objects of a snapshot; a Pod that is held typed and as a tree comes twice.
func refs(s *snapshot.Snapshot) iter.Seq[snapshot.Ref] {
	return func(yield func(snapshot.Ref) bool) {
		for _, o := range s.Objects {
			if !yield(o.Ref) {
				return
			}
		}
		for i := range s.Pods {
			if !yield(s.Pods[i].Ref()) {
				return
			}
		}
		for i := range s.Slices {
			if !yield(s.Slices[i].Ref) {
				return
			}
		}
	}
}

// objects is what is held, as rules look at it.
type objects map[snapshot.Ref]*snapshot.Object

// Of implements rule.Source.
func (s objects) Of(r snapshot.Ref) []*snapshot.Object {
	if o := s[r]; o != nil {
		return []*snapshot.Object{o}
	}
	return nil
}

// Host implements rule.Source: no kernel is looked at.
func (objects) Host(string) *dataplane.Host { return nil }

// EachHost implements rule.Source.
func (objects) EachHost() iter.Seq[*dataplane.Host] { return func(func(*dataplane.Host) bool) {} }
