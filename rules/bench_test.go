// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"context"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"whohas/check"
	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/document"
	"whohas/testkit/clustergen"
	"whohas/testkit/scenario"
)

// BenchmarkCheckRules measures what a loaded snapshot costs further: the
// register, and all rules. MiB is the heap that the result keeps, beyond
// the snapshot. WHOHAS_BENCH=big takes the large cluster, which is read
// for half a minute first; otherwise it is a tenth of it.
func BenchmarkCheckRules(b *testing.B) {
	s := fleetSnapshot(b, benchSize())
	facts := cluster.Infer(s, "", "")
	b.Run("register", func(b *testing.B) {
		before := liveHeap()
		var view claim.View
		for b.Loop() {
			view = claimants.View(s)
		}
		reportHeap(b, before)
		runtime.KeepAlive(view)
	})
	in := check.Input{View: claimants.View(s), Facts: facts, Objects: s, Coverage: s.Coverage, Rules: rules.All()}
	b.Run("rules", func(b *testing.B) {
		before := liveHeap()
		var res check.Result
		for b.Loop() {
			res = check.Finish(in, check.Run(in), nil, time.Time{})
		}
		reportHeap(b, before)
		b.ReportMetric(float64(len(res.Findings)), "findings")
	})
	runtime.KeepAlive(in)
}

func benchSize() clustergen.Size {
	size := clustergen.Big()
	if os.Getenv("WHOHAS_BENCH") == "big" {
		return size
	}
	size.Nodes /= 10
	size.Services /= 10
	size.ExternalIPServices /= 10
	size.LoadBalancers /= 10
	size.Pods /= 10
	size.EndpointSlices /= 10
	size.Pools /= 5 // for the addresses that the conflicts take
	return size
}

// fleetSnapshot reads a cluster as if kubectl had printed it.
func fleetSnapshot(b *testing.B, size clustergen.Size) *snapshot.Snapshot {
	b.Helper()
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
	return into.Snapshot()
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one only marks as finished
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func reportHeap(b *testing.B, before uint64) {
	b.ReportMetric((float64(liveHeap())-float64(before))/(1<<20), "MiB")
	b.ReportAllocs()
}
