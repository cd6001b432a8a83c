// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/events"

	"whohas/check"
	"whohas/guard"
	"whohas/guard/watch"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/document"
	"whohas/source/live"
)

const nodes = `
apiVersion: v1
kind: Node
metadata: {name: cdev01}
status: {addresses: [{type: InternalIP, address: 192.168.10.114}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system, labels: {app: kube-proxy}}
data: {config.conf: "mode: ipvs"}
`

// watched is a cluster that a watch has read.
func watched(t *testing.T, manifests string) *watch.Watch {
	t.Helper()
	reads, err := check.Reads()
	if err != nil {
		t.Fatal(err)
	}
	into := new(snapshot.Builder)
	if _, err := (document.Reading{Reads: reads, Into: into}).Decode(t.Context(), strings.NewReader(manifests)); err != nil {
		t.Fatal(err)
	}
	s := into.Snapshot()
	w := watch.New(watch.Options{Reads: reads, Rules: rules.All()})
	for _, p := range live.Parts(reads) {
		part := new(snapshot.Builder)
		for _, o := range s.Objects {
			if o.Ref.Kind == p.Kind.Kind && o.Ref.Group == p.Kind.Group && (p.Name == "" || p.Name == o.Ref.Namespace+"/"+o.Ref.Name) {
				part.AddObject(o)
			}
		}
		w.All(p, part.Snapshot())
		w.Cover(p, snapshot.Coverage{Source: p.Kind.Source(), Status: snapshot.StatusRead, Complete: true})
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go w.Infer(ctx)
	select {
	case <-w.Ready():
	case <-time.After(time.Minute):
		t.Fatal("the watch is not ready")
	}
	return w
}

func claiming(n int, address func(int) string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Service\nmetadata: {name: s%05d, namespace: demo}\nspec: {clusterIP: 10.%d.%d.%d, externalIPs: [%s], ports: [{port: 80, protocol: TCP}]}\n", i, 96+i/65536, i/256%256, i%256, address(i))
	}
	return b.String()
}

// TestTenThousandConflicts: whether they are all at one address or each at its own, what
// is told of them is bounded, all of them are counted, and the next decision is right
// and its message short.
func TestTenThousandConflicts(t *testing.T) {
	const n = 10_000
	own := func(i int) string { return fmt.Sprintf("172.%d.%d.%d", 16+i/65536, i/256%256, i%256) }
	for name, manifests := range map[string]string{
		"one address": nodes + claiming(n, func(int) string { return "192.168.10.114" }),
		"pairs":       nodes + claiming(n, own) + strings.ReplaceAll(claiming(n, own), "name: s", "name: t"),
	} {
		t.Run(name, func(t *testing.T) {
			w := watched(t, manifests)
			r := (&Audit{Watch: w}).round(map[string]bool{})
			conflicting := map[snapshot.Ref]bool{}
			for i := range r.Findings {
				for _, c := range r.Findings[i].Claimants {
					conflicting[c.By] = true
				}
			}
			if len(conflicting) < n {
				t.Errorf("%d objects are in %d findings", len(conflicting), len(r.Findings))
			}
			recorder, dropped := events.NewFakeRecorder(20_000), 0
			if err := (&Events{Recorder: recorder, Dropped: func(n int) { dropped += n }}).Publish(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if sent := len(recorder.Events); sent > mostEvents || dropped == 0 {
				t.Errorf("%d Events sent, %d dropped", sent, dropped)
			}
			text, err := json.Marshal((&Reports{name: "whohas"}).report(openReport, r).Object)
			if err != nil || len(text) > 3<<19 {
				t.Errorf("a report of %d bytes, %v", len(text), err)
			}
			decides(t, w)
		})
	}
}

// decides asks for the incident once more.
func decides(t *testing.T, w *watch.Watch) {
	t.Helper()
	text := `{"apiVersion":"v1","kind":"Service","metadata":{"name":"tomcat","namespace":"demo"},"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":80}]}}`
	for _, test := range []struct {
		object  string
		allowed bool
	}{{text, false}, {strings.Replace(text, "192.168.10.114", "192.168.77.1", 1), true}} {
		o, faults := document.Reading{Reads: w.Reads}.Object([]byte(test.object))
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		var d guard.Decision
		w.Look(func(in check.Input) {
			d = guard.Decide(guard.State{Input: in}, guard.Request{Operation: guard.Create, After: o, Now: time.Unix(1_800_000_000, 0)})
		})
		if d.Allowed != test.allowed || !test.allowed && (len(d.Message()) > 2000 || !strings.Contains(d.Message(), "cdev01")) {
			t.Errorf("allowed %v, a message of %d bytes: %.300s", d.Allowed, len(d.Message()), d.Message())
		}
	}
}

// TestClockSteps: a permission ends when the clock says so, without a change, and counts
// again if the clock is set back.
func TestClockSteps(t *testing.T) {
	excused := strings.Replace(claiming(1, func(int) string { return "192.168.10.114" }), "namespace: demo}", `namespace: demo, annotations: {whohas.io/allow: "WH101 reason=a test until=2026-12-01"}}`, 1)
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	a := &Audit{Watch: watched(t, nodes+excused), Now: func() time.Time { return now }}
	for _, step := range []struct {
		by    time.Duration
		found bool
	}{{0, false}, {72 * time.Hour, true}, {-96 * time.Hour, false}, {24 * 3650 * time.Hour, true}} {
		now = now.Add(step.by)
		r := a.round(map[string]bool{})
		if found := len(r.Findings) > 0 && r.Findings[0].Rule.ID == "WH101"; found != step.found || !r.Taken.Equal(now) {
			t.Errorf("at %v: %d findings", now, len(r.Findings))
		}
	}
}
