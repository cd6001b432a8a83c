// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"whohas/check"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/guard"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/document"
	"whohas/testkit/clustergen"
	"whohas/testkit/scenario"
)

// bigState is a register of 5,000 Nodes and 10,000 Services, kept as the webhook
// keeps it: Pods and all in one register. Pods decide nothing here but the time it
// takes to begin: a tenth of what Big has is enough to show their cost.
func bigState(b *testing.B) guard.State {
	b.Helper()
	size := clustergen.Big()
	size.Pods = 20_000
	keep, err := scenario.Reads()
	if err != nil {
		b.Fatal(err)
	}
	f := clustergen.New(size)
	into := &snapshot.Builder{}
	for _, kind := range f.Kinds() {
		r, w := io.Pipe()
		go func() { w.CloseWithError(f.WriteList(w, kind)) }()
		res, err := document.Reading{Reads: keep, Into: into, File: kind + ".json"}.Decode(context.Background(), r)
		if err != nil {
			b.Fatal(err)
		}
		res.Cover(into, true)
	}
	s := into.Snapshot()
	facts := cluster.Infer(s, "", "")
	return guard.State{Input: check.Input{View: claimants.Register(s), Facts: facts, Objects: s, Coverage: s.Coverage, Rules: rules.All()}}
}

// BenchmarkDecide measures decisions one by one over a large register, and reports
// the half and the hundredth slowest.
func BenchmarkDecide(b *testing.B) {
	st := bigState(b)
	node := st.Facts.Nodes[len(st.Facts.Nodes)/2].Addresses[0].String()
	take := func(address string) string {
		return strings.Replace(service("", stolen, ""), "192.168.10.114", address, 1)
	}
	create := func(text string) guard.Request {
		return guard.Request{Operation: guard.Create, After: object(b, text), Now: today}
	}
	update := func(before, after string) guard.Request {
		return guard.Request{Operation: guard.Update, Before: object(b, before), After: object(b, after), Now: today}
	}
	unknown := st
	facts := *st.Facts
	facts.Mode = ""
	unknown.Facts = &facts
	for _, bench := range []struct {
		name    string
		state   guard.State
		request guard.Request
		allowed bool
	}{
		{"free", st, create(take("192.168.77.77")), true},
		{"clusterIP", st, create(service("", clean, "")), true},
		{"same", st, update(take(node), strings.Replace(take(node), "8080", "8081", 1)), true},
		{"node", st, create(take(node)), false},
		{"node-mode-unknown", unknown, create(take(node)), true},
		{"pool", st, create(strings.Replace(pool, "192.168.10.200-192.168.10.220", "192.168.77.0/26", 1)), true},
		{"pool-of-nodes", st, create(strings.Replace(pool, "192.168.10.200-192.168.10.220", node+"/24", 1)), false},
		{"fix", st, update(take(node), service("", clean, "")), true},
	} {
		b.Run(bench.name, func(b *testing.B) { measure(b, bench.state, bench.request, bench.allowed) })
	}
}

func measure(b *testing.B, st guard.State, r guard.Request, allowed bool) {
	b.Helper()
	if d := guard.Decide(st, r); d.Allowed != allowed {
		b.Fatalf("allowed %v: %s %v", d.Allowed, d.Message(), d.Notes())
	}
	var took []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		guard.Decide(st, r)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[len(took)*p/100]), fmt.Sprintf("p%d-ns", p))
	}
}
