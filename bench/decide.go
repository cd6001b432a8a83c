// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"whohas/check"
	"whohas/guard"
	"whohas/guard/watch"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/document"
	"whohas/source/live"
	"whohas/testkit/clustergen"
)

// deciding is what a guard's decisions take within a process, in microseconds.
type deciding struct {
	Claims, Objects  int
	Decisions        int       // of each part
	P50, P99, Most   []float64 // of each part
	Admitted, Denied []float64 // of each part, the 99th percentile
	Service, Node    []float64 // one update each, median and 99th percentile
	Refused, Misread int
	Heap             float64 // MiB that the register keeps
}

// parts is how many times the decisions are looked at by themselves: more says how
// far the figures can be trusted.
const decisionParts = 5

// decide makes decisions over a register, kept as `whohas-guard serve` keeps it.
func decide(args []string) error {
	var size clustergen.Size
	if err := json.Unmarshal([]byte(args[0]), &size); err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	f := clustergen.New(size)
	c, err := survey(f)
	if err != nil {
		return err
	}
	before := liveHeap()
	w, reads, err := watched(f)
	if err != nil {
		return err
	}
	d := &deciding{Decisions: n / decisionParts, Heap: mebi(liveHeap()) - mebi(before)}
	d.Claims, d.Objects = w.Size()
	requests, err := read(writes(c, 20_000), reads)
	if err != nil {
		return err
	}
	d.decide(w, requests)
	if err := d.update(w, f, reads); err != nil {
		return err
	}
	runtime.KeepAlive(w)
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return os.WriteFile(args[2], text, 0o644)
}

// watched is a generated cluster as the guard's register, with the facts drawn from it.
func watched(f *clustergen.Cluster) (*watch.Watch, snapshot.Reads, error) {
	reads, err := check.Reads()
	if err != nil {
		return nil, reads, err
	}
	into := &snapshot.Builder{}
	for _, kind := range f.Kinds() {
		r, w := io.Pipe()
		go func() { w.CloseWithError(f.WriteList(w, kind)) }()
		if _, err := (document.Reading{Reads: reads, Into: into}).Decode(context.Background(), r); err != nil {
			return nil, reads, err
		}
	}
	s := into.Snapshot()
	w := watch.New(watch.Options{Reads: reads, Rules: rules.All()})
	for _, p := range live.Parts(reads) {
		w.All(p, partOf(p, s))
		w.Cover(p, snapshot.Coverage{Source: p.Kind.Source(), Status: snapshot.StatusRead, Complete: true})
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go w.Infer(ctx)
	<-w.Ready()
	return w, reads, nil
}

// partOf is what a list of the part would show.
func partOf(p live.Part, s *snapshot.Snapshot) *snapshot.Snapshot {
	is := func(r snapshot.Ref) bool {
		return p.Kind.Kind == r.Kind && p.Kind.Group == r.Group && (p.Name == "" || p.Name == r.Namespace+"/"+r.Name)
	}
	into := &snapshot.Builder{}
	for _, o := range s.Objects {
		if is(o.Ref) {
			into.AddObject(o)
		}
	}
	for _, x := range s.Pods {
		if is(x.Ref()) {
			into.AddPod(x)
		}
	}
	for _, x := range s.Slices {
		if is(x.Ref) {
			into.AddSlice(x)
		}
	}
	return into.Snapshot()
}

// asked is a write as the guard's decision sees it.
type asked struct {
	guard.Request
	refused bool
}

func read(all []write, reads snapshot.Reads) ([]asked, error) {
	out := make([]asked, len(all))
	for i, w := range all {
		out[i] = asked{guard.Request{Operation: guard.Operation(w.operation), Subresource: w.subresource, Now: time.Now()}, w.refused}
		for at, text := range map[**snapshot.Object]string{&out[i].After: w.object, &out[i].Before: w.old} {
			if text == "" {
				continue
			}
			o, faults := document.Reading{Reads: reads, Namespace: w.namespace}.Object([]byte(text))
			if o == nil || len(faults) > 0 {
				return nil, fmt.Errorf("read %s: %v", text, faults)
			}
			*at = o
		}
	}
	return out, nil
}

func (d *deciding) decide(w *watch.Watch, requests []asked) {
	took, next := make([]float64, d.Decisions), 0
	for range decisionParts {
		var admitted, refused []float64
		for i := range took {
			q := &requests[next%len(requests)]
			next++
			var got guard.Decision
			begun := time.Now()
			w.Look(func(in check.Input) { got = guard.Decide(guard.State{Input: in}, q.Request) })
			took[i] = micro(time.Since(begun))
			if got.Allowed == q.refused {
				d.Misread++
			}
			if got.Allowed {
				admitted = append(admitted, took[i])
			} else {
				refused = append(refused, took[i])
			}
		}
		d.Refused += len(refused)
		slices.Sort(admitted)
		slices.Sort(refused)
		d.Admitted, d.Denied = append(d.Admitted, percentile(admitted, 99)), append(d.Denied, percentile(refused, 99))
		slices.Sort(took)
		d.P50 = append(d.P50, percentile(took, 50))
		d.P99 = append(d.P99, percentile(took, 99))
		d.Most = append(d.Most, took[len(took)-1])
	}
}

// updates is how many of each are measured.
const updates = 20_000

// update changes Services and Nodes, one after the other, and back.
func (d *deciding) update(w *watch.Watch, f *clustergen.Cluster, reads snapshot.Reads) error {
	for kind, to := range map[string]*[]float64{"services": &d.Service, "nodes": &d.Node} {
		was, will, err := variants(f, kind, reads)
		if err != nil {
			return err
		}
		part := live.Part{Kind: kindOf(reads, was[0].Objects[0].Ref)}
		took := make([]float64, updates)
		for i := range took {
			s := will[i%len(will)]
			if i/len(will)%2 == 1 {
				s = was[i%len(was)]
			}
			begun := time.Now()
			w.One(part, s)
			took[i] = micro(time.Since(begun))
		}
		slices.Sort(took)
		*to = []float64{percentile(took, 50), percentile(took, 99)}
	}
	return nil
}

// variants are some objects as they are, and with another address.
func variants(f *clustergen.Cluster, kind string, reads snapshot.Reads) (was, will []*snapshot.Snapshot, err error) {
	r := rand.New(rand.NewPCG(3, 4))
	err = each(f, kind, func(text json.RawMessage) error {
		var o object
		if err := json.Unmarshal(text, &o); err != nil {
			return err
		}
		address := ""
		switch {
		case len(o.Spec.ExternalIPs) > 0:
			address = o.Spec.ExternalIPs[0]
		case len(o.Status.Addresses) > 0:
			address = o.Status.Addresses[0].Address
		}
		if address == "" {
			return nil
		}
		for to, s := range map[*[]*snapshot.Snapshot]string{&was: string(text), &will: strings.ReplaceAll(string(text), `"`+address+`"`, `"`+free(r)+`"`)} {
			x, faults := document.Reading{Reads: reads}.Object([]byte(s))
			if x == nil || len(faults) > 0 {
				return fmt.Errorf("read %s: %v", s, faults)
			}
			into := &snapshot.Builder{}
			into.Add(x)
			*to = append(*to, into.Snapshot())
		}
		return nil
	})
	return was, will, err
}

func kindOf(reads snapshot.Reads, r snapshot.Ref) snapshot.Kind {
	for _, k := range reads.Kinds() {
		if k.Kind == r.Kind && k.Group == r.Group {
			return k
		}
	}
	return snapshot.Kind{}
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// percentile of what is sorted; 0 of nothing.
func percentile(sorted []float64, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)*p/100]
}
