// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/perf/benchfmt"
)

// TestBenchmarks: benchstat's own reader finds each figure, under a name of its own.
func TestBenchmarks(t *testing.T) {
	tab := table{}
	tab.add(row{what: "check of a dump", unit: seconds, values: []float64{1, 2}})
	tab.add(row{unit: megabytes, values: []float64{30}, rss: 1 << 20})
	tab.add(row{what: "guard: decision, half of them", unit: micros, values: []float64{30}})
	tab.add(row{what: "  99 of 100", unit: micros, values: []float64{80}})
	tab.add(row{what: "    of what is refused", unit: micros, values: []float64{90}})
	tab.add(row{what: "policy", size: "100 addresses", unit: millis, values: []float64{1}})
	tab.add(row{what: "policy", size: "1000 addresses", unit: millis, values: []float64{2}})
	tab.add(row{what: "register", unit: objects, values: []float64{5e4}})
	tab.add(row{what: "  kept", unit: mebibytes, values: []float64{2}})
	tab.add(row{what: "  against none", unit: times, values: []float64{1.5}})
	var text bytes.Buffer
	if err := tab.benchmarks(&text); err != nil {
		t.Fatal(err)
	}
	type figure struct {
		Name, Unit string
		Value      float64
	}
	var got []figure
	lines := benchfmt.NewReader(&text, "figures")
	for lines.Scan() {
		r, ok := lines.Result().(*benchfmt.Result)
		if !ok {
			t.Fatalf("%v", lines.Result())
		}
		for _, v := range r.Values {
			got = append(got, figure{string(r.Name), v.Unit, v.Value})
		}
	}
	want := []figure{
		{"CheckOfADump", "sec/op", 1}, {"CheckOfADump", "sec/op", 2},
		{"CheckOfADump/MBS", "B/s", 3e7}, {"CheckOfADump/MBS", "peak-RSS-B", 1 << 20},
		{"GuardDecisionHalfOfThem", "sec/op", 3e-5},
		{"GuardDecisionHalfOfThem/99Of100", "sec/op", 8e-5},
		{"GuardDecisionHalfOfThem/99Of100/OfWhatIsRefused", "sec/op", 9e-5},
		{"Policy", "sec/op", 1e-3}, {"Policy/1000Addresses", "sec/op", 2e-3},
		{"Register", "objects/s", 5e4}, {"Register/Kept", "B", 2 << 20}, {"Register/AgainstNone", "x", 1.5},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return a-b < 1e-12 && b-a < 1e-12 })); diff != "" {
		t.Error(diff)
	}
}
