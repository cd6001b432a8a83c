// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMixture: each sort of write comes, as often as is said, and the decisions are
// those that it says.
func TestMixture(t *testing.T) {
	sum := 0
	for _, s := range mixture() {
		sum += s.of
	}
	if sum != 100 {
		t.Errorf("shares of %d in a hundred", sum)
	}
	size, err := json.Marshal(guarded(sizes(true).full.Size))
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "decide.json")
	if err := decide([]string{string(size), "5000", to}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	var d deciding
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if d.Misread > 0 || d.Refused < 400 || d.Refused > 600 {
		t.Errorf("of 5000 decisions %d refused, %d wrong", d.Refused, d.Misread)
	}
	if len(d.P99) != decisionParts || d.Claims < 500 || d.Heap <= 0 {
		t.Errorf("figures %+v", d)
	}
}

// TestReview: an AdmissionReview says what the write does.
func TestReview(t *testing.T) {
	c := &occupied{nodes: []string{"10.0.0.2"}, externals: []string{"198.51.100.1"}}
	for _, w := range writes(c, 500) {
		var got struct {
			Request struct {
				UID, Operation, SubResource string
				Object, OldObject           *object
			}
		}
		if err := json.Unmarshal(w.review("u"), &got); err != nil {
			t.Fatalf("%s: %v", w.sort, err)
		}
		q := got.Request
		if q.UID != "u" || q.Operation != w.operation || q.SubResource != w.subresource || q.Object == nil || q.Object.Metadata.Name != w.name || (q.OldObject == nil) != (w.old == "") {
			t.Fatalf("%s: %+v", w.sort, q)
		}
	}
}

func TestPolicyRows(t *testing.T) {
	const text = `goos: linux
BenchmarkWrite/literal/100/claims-2 	     300	    157000 ns/op	    150000 p50-ns	   1140000 p99-ns	   75000 B/op
I1129 10:00:00.000000 a line of a library
BenchmarkMake/100-2 	     300	    157000 ns/op
BenchmarkWrite/literal/100/claims-2 	     300	    160000 ns/op	    160000 p50-ns	   1200000 p99-ns	   75000 B/op
BenchmarkWrite/map-param/3000/plain-2 	 300	 21000 ns/op	 20000 p50-ns	 65000 p99-ns
PASS
`
	var got []string
	for _, r := range policyRows(text) {
		line, _ := json.Marshal([]any{r.what, r.size, r.values})
		got = append(got, string(line))
	}
	want := []string{
		`["policy literal, a write that claims an address: half of them","100 addresses",[0.15,0.16]]`,
		`["policy literal, a write that claims an address: 99 of 100","100 addresses",[1.14,1.2]]`,
		`["policy map-param, a write that claims none: half of them","3000 addresses",[0.02]]`,
		`["policy map-param, a write that claims none: 99 of 100","3000 addresses",[0.065]]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
