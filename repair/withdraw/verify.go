// SPDX-License-Identifier: Apache-2.0

package withdraw

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"whohas/repair"
	"whohas/snapshot"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// VerifyOptions tell what to wait for. Config must be given.
type VerifyOptions struct {
	Config      *rest.Config        // not changed
	Withdrawals []repair.Withdrawal // whose values are to be gone: Outcome.Withdrawn
	Every       time.Duration       // between two looks; default 1 second
	Tell        func(Event)         // may be nil
}

// Verdict is what the last look showed, each list sorted.
type Verdict struct {
	Standing []string // values that are still there, or are back
	NotReady []string // Nodes
	Unseen   []string // what could not be looked at, and why
}

// OK reports whether all was seen and is well.
func (v Verdict) OK() bool { return len(v.Standing)+len(v.NotReady)+len(v.Unseen) == 0 }

// Verify looks until the values are gone and every Node is Ready, or until ctx is
// over, which is no error: the Verdict tells what is missing. It does not wait for
// what it may not read.
func Verify(ctx context.Context, o VerifyOptions) (Verdict, error) {
	c, err := connect(o.Config)
	if err != nil {
		return Verdict{}, fmt.Errorf("connect to the cluster: %w", err)
	}
	v := &watcher{VerifyOptions: o, client: c, standing: map[string]bool{}, waiting: map[string]bool{}, blind: map[string]bool{}}
	tick := time.NewTicker(cmp.Or(o.Every, time.Second))
	defer tick.Stop()
	for {
		verdict, last := v.look(quiet(ctx))
		if last {
			return verdict, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return verdict, nil
		}
	}
}

// watcher remembers what was told.
type watcher struct {
	VerifyOptions
	client   *client
	standing map[string]bool // by value: whether it was there at the last look
	waiting  map[string]bool // Nodes that were not Ready when last seen
	blind    map[string]bool // what could not be looked at
	seen     Verdict         // the last look that was not cut short
	looked   bool
}

// look looks once. It is the last time if nothing is missing, or only what will
// never be seen. A look that the end of ctx cuts short does not count.
func (w *watcher) look(ctx context.Context) (v Verdict, last bool) {
	last = true
	unseen := func(on snapshot.Ref, name string, err error) {
		v.Unseen = append(v.Unseen, name+": "+message(err))
		w.tellBlind(ctx, on, name, err)
		last = last && (apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err))
	}
	for _, one := range w.Withdrawals {
		name := what(one.Edit) + " (" + one.On.String() + ")"
		stands, err := w.stands(ctx, one.Edit)
		switch {
		case err != nil:
			unseen(one.On, one.On.String(), err)
		default:
			delete(w.blind, one.On.String())
			w.tellValue(one.On, name, stands)
			if stands {
				v.Standing, last = append(v.Standing, name), false
			}
		}
	}
	notReady, err := w.nodes(ctx)
	if err != nil {
		unseen(snapshot.Ref{}, "nodes", err)
	} else {
		delete(w.blind, "nodes")
		w.tellNodes(notReady)
		v.NotReady, last = notReady, last && len(notReady) == 0
	}
	if ctx.Err() != nil && w.looked {
		return w.seen, last
	}
	slices.Sort(v.Standing)
	slices.Sort(v.Unseen)
	v.Standing, v.Unseen = slices.Compact(v.Standing), slices.Compact(v.Unseen)
	w.seen, w.looked = v, true
	return v, last
}

func (w *watcher) stands(ctx context.Context, e snapshot.Edit) (bool, error) {
	_, obj, err := w.client.find(ctx, e.Kind, e.On)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return !isGone(obj, e), nil
}

// tellValue tells of a value once, and again when it comes back.
func (w *watcher) tellValue(on snapshot.Ref, name string, stands bool) {
	before, known := w.standing[name]
	w.standing[name] = stands
	switch {
	case known && before == stands:
	case stands && known:
		tell(w.Tell, Event{On: on, Warning: true, Text: name + " is back"})
	case stands:
		tell(w.Tell, Event{On: on, Warning: true, Text: name + " is still there"})
	default:
		tell(w.Tell, Event{On: on, Text: name + " is gone"})
	}
}

// tellBlind tells once that something cannot be looked at; not that ctx is over.
func (w *watcher) tellBlind(ctx context.Context, on snapshot.Ref, name string, err error) {
	if !w.blind[name] && ctx.Err() == nil {
		w.blind[name] = true
		tell(w.Tell, Event{On: on, Warning: true, Text: name + " cannot be looked at: " + message(err)})
	}
}

func (w *watcher) tellNodes(notReady []string) {
	on := func(name string) snapshot.Ref { return snapshot.Ref{Kind: "Node", Name: name} }
	for _, name := range slices.Sorted(maps.Keys(w.waiting)) {
		if !slices.Contains(notReady, name) {
			delete(w.waiting, name)
			tell(w.Tell, Event{On: on(name), Text: "is Ready"})
		}
	}
	for _, name := range notReady {
		if !w.waiting[name] {
			w.waiting[name] = true
			tell(w.Tell, Event{On: on(name), Warning: true, Text: "is not Ready"})
		}
	}
}

// few is how many Nodes are asked for one by one; above that they are listed.
const few = 10

// nodes lists the Nodes that are not Ready. While some are known to be, only those
// are asked for; when all of them are Ready, all Nodes are looked at once more.
func (w *watcher) nodes(ctx context.Context) ([]string, error) {
	if n := len(w.waiting); n > 0 && n <= few {
		notReady, err := w.nodesByName(ctx, slices.Sorted(maps.Keys(w.waiting)))
		if err != nil || len(notReady) > 0 {
			return notReady, err
		}
	}
	return w.allNodes(ctx)
}

func (w *watcher) nodesByName(ctx context.Context, names []string) ([]string, error) {
	var notReady []string
	for _, name := range names {
		at, err := place{Version: "v1", Resource: "nodes", Kind: "Node", Name: name}.path()
		if err != nil {
			return nil, err
		}
		text, err := w.client.get(ctx, at, nil)
		switch {
		case apierrors.IsNotFound(err):
			delete(w.waiting, name)
			tell(w.Tell, Event{On: snapshot.Ref{Kind: "Node", Name: name}, Text: "is not there any more"})
			continue
		case apierrors.IsForbidden(err): // who may list need not get
			return nil, nil
		case err != nil:
			return nil, err
		}
		var n node
		if err := json.Unmarshal(text, &n); err != nil || n.Metadata.Name != name {
			return nil, errors.New("the answer is no Node")
		}
		if !n.ready() {
			notReady = append(notReady, name)
		}
	}
	return notReady, nil
}

func (w *watcher) allNodes(ctx context.Context) ([]string, error) {
	var notReady []string
	params := map[string]string{"limit": "500"}
	for {
		text, err := w.client.get(ctx, "/api/v1/nodes", params)
		if err != nil {
			return nil, err
		}
		var list struct {
			Kind     string
			Metadata struct{ Continue string }
			Items    []node
		}
		if err := json.Unmarshal(text, &list); err != nil || list.Kind != "NodeList" {
			return nil, errors.New("the answer is no list of Nodes")
		}
		for _, n := range list.Items {
			if !n.ready() {
				notReady = append(notReady, n.Metadata.Name)
			}
		}
		if list.Metadata.Continue == "" || list.Metadata.Continue == params["continue"] {
			slices.Sort(notReady)
			return notReady, nil
		}
		params["continue"] = list.Metadata.Continue
	}
}

// node is what of a Node is looked at.
type node struct {
	Metadata struct{ Name string }
	Status   struct {
		Conditions []struct{ Type, Status string }
	}
}

// ready reports whether the node's Ready condition is True. Unknown is what the
// controller manager writes when a kubelet is not heard (kubernetes
// pkg/controller/nodelifecycle, node-monitor-grace-period).
func (n node) ready() bool {
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}
