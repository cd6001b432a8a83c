// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"strings"
	"time"

	"whohas/cluster"
	"whohas/snapshot"
)

// pause is the least time between two drawings of the facts: Nodes of a large cluster
// change all the time, and few facts with them.
const pause = time.Second

// Infer draws new facts whenever what they are drawn from has changed, until ctx is
// over.
func (w *Watch) Infer(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.stale:
		}
		w.draw()
		if !w.isReady() { // at first everything comes at once
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// draw concludes from a copy, so that no decision waits for it.
func (w *Watch) draw() {
	if !w.isReady() && !w.complete() {
		return
	}
	facts := cluster.Infer(w.basis(), w.Mode, w.ModeFrom)
	w.mu.Lock()
	w.facts = facts
	w.mu.Unlock()
	nudge(w.changed)
	w.once.Do(func() { close(w.ready) })
}

func (w *Watch) isReady() bool {
	select {
	case <-w.ready:
		return true
	default:
		return false
	}
}

// complete reports whether of every kind it is known what there is, or why not; Services
// and Nodes must have been read.
func (w *Watch) complete() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, p := range w.wants {
		c, ok := w.cover[p]
		if !ok || c.Status != snapshot.StatusRead && (p.Kind == cluster.NodeKind || p.Kind == cluster.ServiceKind) {
			return false
		}
	}
	return true
}

// basis is what facts are drawn from.
func (w *Watch) basis() *snapshot.Snapshot {
	into := new(snapshot.Builder)
	w.mu.RLock()
	defer w.mu.RUnlock()
	for r, o := range w.objects {
		if w.bearsFacts(r) {
			into.Hold(o)
		}
	}
	for r, p := range w.pods {
		if w.bearsFacts(r) {
			into.AddPod(p)
		}
	}
	for r, e := range w.slices {
		if w.bearsFacts(r) {
			into.AddSlice(e)
		}
	}
	for _, c := range w.lines {
		into.Cover(c)
	}
	return into.Snapshot()
}

// bearsFacts reports whether facts are drawn from an object: of Pods and slices, only
// from those of the control plane (cluster/distribution.go, cluster/apiserver.go).
func (w *Watch) bearsFacts(r snapshot.Ref) bool {
	switch r.Kind {
	case snapshot.PodKind.Kind:
		return r.Namespace == "kube-system" || r.Group != ""
	case snapshot.EndpointSliceKind.Kind, snapshot.EndpointsKind.Kind:
		return r.Namespace == "default" && strings.HasPrefix(r.Name, "kubernetes")
	}
	return w.basic[snapshot.Ref{Kind: r.Kind, Group: r.Group}]
}

func basicKinds() map[snapshot.Ref]bool {
	out := map[snapshot.Ref]bool{}
	for _, r := range cluster.Reads() {
		out[r.Kind.Ref("", "")] = true
	}
	return out
}
