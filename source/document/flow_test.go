// SPDX-License-Identifier: Apache-2.0

package document

import (
	"strings"
	"testing"

	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// sameAsParser reads a text with the fast reader, and with the full parser if
// the fast one accepts it: both must find the same.
func sameAsParser(t *testing.T, text []byte, part bool) (accepted bool) {
	t.Helper()
	var fast, full snapshot.Builder
	i := item{text: text, whole: true, line: 10, yaml: true, part: part}
	a := newDecoder(t.Context(), &Reading{Reads: testReads(t), Into: &fast, File: "f"})
	root, ok := a.plain(i)
	if !ok {
		return false
	}
	if root != nil {
		a.walk(i, []*yaml.Node{root})
	}
	b := newDecoder(t.Context(), &Reading{Reads: testReads(t), Into: &full, File: "f"})
	if err := b.yamlTree(i); err != nil {
		t.Fatalf("%q: the parser refuses: %v", text, err)
	}
	if diff := cmp.Diff(show(full.Snapshot()), show(fast.Snapshot())); diff != "" {
		t.Errorf("%q: -full +fast\n%s", text, diff)
	}
	if brief(a.result) != brief(b.result) {
		t.Errorf("%q: fast: %s, full: %s", text, brief(a.result), brief(b.result))
	}
	return true
}

// flowPlaces are where a line may hold brackets: all of it is kept in the first
// two, a part of it in the next two, and nothing in the last.
var flowPlaces = []string{
	"apiVersion: v1\nkind: Service\nstatus:\n  loadBalancer: %\nspec:\n  type: a\n",
	"apiVersion: v1\nkind: Service\nstatus:\n  loadBalancer:\n  - a\n  - %\n  - b\n",
	"apiVersion: v1\nkind: Service\nmetadata: %\n",
	"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - %\n",
	"apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels: %\n",
}

func inPlaces(t *testing.T, flow string) (accepted bool) {
	t.Helper()
	for n, place := range flowPlaces {
		got := sameAsParser(t, []byte(strings.Replace(place, "%", flow, 1)), false)
		if n > 0 && accepted && !got {
			t.Errorf("%s is not read in %q", flow, place)
		}
		accepted = got
	}
	return accepted
}

func TestFlow(t *testing.T) {
	for _, s := range []string{
		"{}", "[]", "{ }", "[ ] # c", "{a: b}", "{a: b} # c", `{app.kubernetes.io/name: "x"}`, "{name: http, port: 80}", `["--listen", ":8080", 'json']`, `["198.18.1.197"]`,
		"{a: [1, 2], b: {c: d}}", "[[], {}, [{}]]", `{"a": 1, 'it''s': "\n\\"}`, `{"a":1,"b":[true,null]}`, "{on: off, 1: 0x10, 0o17: ~}", "{name: a, name: b}", `{name: a, "name": c}`,
		"[a b, a  b , -1, -x, a:b, a#b]", "[10.0.0.0/8, 2026-01-01, 1_000]", `{"<<": a}`, "[<<]", `["#", "{{ x }}", '{', ',']`,
		"{args: [--mode=a, --cluster-cidr, b]}", "{managedFields: [{manager: m, fieldsV1: {'f:spec': {'f:externalIPs': {}}}}]}", "[\u00e4, \U0001f600]", "[a:]",
	} {
		if !inPlaces(t, s) {
			t.Errorf("%s is refused", s)
		}
	}
	for _, s := range []string{
		"{{ .x }}", "{a}", "{a: }", "{a:}", "{a:b}", "{a: b: c}", "{a : b}", "{? a: b}", "[a: b]", `["a": b]`, "[a?b]", "[?]", "[:a]", "[a #b]", "[a,, b]", "[a] b", "[a]#b", "{a: b}: c",
		"[&a b]", "[*a]", "[!!str a]", "[|]", "[>]", "[%a]", "[@a]", "[`a]", "[a", "{a: b", "[a\n  ]", "[a]]", "{a: b]", `["a]`, `["a"b]`, `["\u0061"]`, `["a\`, "[- a]", "[a\t]", "[\u2028]",
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), "{" + strings.Repeat("k", 512+1) + ": v}",
	} {
		if sameAsParser(t, []byte(strings.Replace(flowPlaces[0], "%", s, 1)), false) {
			t.Errorf("%s is accepted", s)
		}
	}
}

// TestFlowPieces puts pieces together in every way: what is accepted of it
// reads as with the parser.
func TestFlowPieces(t *testing.T) {
	pieces := []string{"{", "}", "[", "]", ",", ":", " ", "a", "1", `"b"`, "'c'", "-", "#", "?"}
	var accepted int
	var put func(begin, text, end string, left int)
	put = func(begin, text, end string, left int) {
		if sameAsParser(t, []byte(strings.Replace(flowPlaces[0], "%", begin+text+end, 1)), false) {
			accepted++
		}
		if left == 0 {
			return
		}
		for _, p := range pieces {
			put(begin, text+p, end, left-1)
		}
	}
	for _, around := range [][2]string{{"[", "]"}, {"{", "}"}, {"{a: ", "}"}, {"[a", ", d]"}, {"{k: v, ", ": e}"}, {"[a]", ""}} {
		put(around[0], "", around[1], 3)
	}
	if accepted < 500 {
		t.Errorf("%d are accepted", accepted)
	}
}

func TestNothing(t *testing.T) {
	for _, s := range []string{"# a\n", "\n", "  \n  # a\n\n", "#\n# - a: {\n"} {
		for _, part := range []bool{false, true} {
			if !sameAsParser(t, []byte(s), part) {
				t.Errorf("%q is refused", s)
			}
		}
	}
}
