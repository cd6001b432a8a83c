// SPDX-License-Identifier: Apache-2.0

package document

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
)

// decode reads a text as the file f.
func decode(tb testing.TB, in io.Reader) (*snapshot.Snapshot, Result) {
	tb.Helper()
	var into snapshot.Builder
	result, err := Reading{Reads: testReads(tb), Into: &into, File: "f"}.Decode(tb.Context(), in)
	if err != nil {
		tb.Fatal(err)
	}
	return into.Snapshot(), result
}

// show writes a snapshot so that all of it can be compared: every object with
// the line of each value, then the coverage.
func show(s *snapshot.Snapshot) string {
	var b strings.Builder
	for _, o := range s.Objects {
		fmt.Fprintf(&b, "%v %s:%d %s", o.Ref, o.File, o.Line, o.Version)
		showValue(&b, &o.Root)
		b.WriteString("\n")
	}
	for _, p := range s.Pods {
		fmt.Fprintf(&b, "%v:%d %v\n", p.Ref(), p.Line, p.IPs)
	}
	for _, l := range s.Slices {
		fmt.Fprintf(&b, "%v:%d %v\n", l.Ref, l.Line, l.Addresses)
	}
	for _, c := range s.Coverage {
		fmt.Fprintf(&b, "%s:%d %s: %s", c.Source, c.Line, c.Status, c.Detail)
		if c.Failed {
			b.WriteString(" (failed)")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func showValue(b *strings.Builder, v *snapshot.Value) {
	switch v.Kind {
	case snapshot.Map:
		b.WriteString(" {")
		for i, k := range v.Keys() {
			fmt.Fprintf(b, " %s:", k)
			showValue(b, &v.Items[i])
		}
		b.WriteString(" }")
	case snapshot.List:
		b.WriteString(" [")
		for i := range v.Items {
			showValue(b, &v.Items[i])
		}
		b.WriteString(" ]")
	case snapshot.String:
		fmt.Fprintf(b, " %q", v.Text)
	case snapshot.Null:
		b.WriteString(" null")
	default:
		b.WriteString(" " + v.Text)
	}
	if v.Line > 0 {
		fmt.Fprintf(b, "@%d", v.Line)
	}
}

type decodeTest struct {
	name, in string
	want     string // of show
	result   string // of brief
}

// brief writes a result in a few words.
func brief(r Result) string {
	s := fmt.Sprintf("%d objects, %d strangers, %d bad", r.Objects, r.Strangers, r.Bad)
	if r.Continue != "" {
		s += ", continue " + r.Continue
	}
	if len(r.Other) > 0 {
		s += fmt.Sprint(", ", r.Other)
	}
	return s
}

func (tt decodeTest) run(t *testing.T) {
	t.Helper()
	want := strings.TrimLeft(tt.want, "\n")
	for name, in := range map[string]io.Reader{
		"whole":        strings.NewReader(tt.in),
		"byte by byte": iotest.OneByteReader(strings.NewReader(tt.in)),
		"with the end": iotest.DataErrReader(strings.NewReader(tt.in)),
	} {
		snap, result := decode(t, in)
		if diff := cmp.Diff(want, show(snap)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if got := brief(result); got != tt.result {
			t.Errorf("%s: result %s, want %s", name, got, tt.result)
		}
	}
}

func TestYAML(t *testing.T) {
	for _, tt := range []decodeTest{
		{"lines", `# a comment
apiVersion: v1
kind: Service

metadata:
  name: a # here
  annotations:
    metallb.io/loadBalancerIPs: 192.0.2.9
    other: dropped
spec:
  externalIPs:
  # one
  - 192.0.2.1

  - "192.0.2.2"
  ports:
  - name: http
    port: 80
    targetPort: 8080
`, `
Service default/a f:2 v1 { metadata: { name: "a"@6 annotations: { metallb.io/loadBalancerIPs: "192.0.2.9"@8 }@8 }@6 spec: { externalIPs: [ "192.0.2.1"@13 "192.0.2.2"@15 ]@13 ports: [ { name: "http"@17 port: 80@18 }@17 ]@17 }@11 }@2
`, "1 objects, 0 strangers, 0 bad"},
		{"several documents", `---
# nothing here
---
apiVersion: v1
kind: Node
metadata: {name: a}
... # the end
---

--- # a comment
apiVersion: v1
kind: Node
metadata: {name: b}
--- {apiVersion: v1, kind: Node, metadata: {name: c}}
---
null
---
replicas: 3
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
`, `
Node a f:4 v1 { metadata: { name: "a"@6 }@6 }@4
Node b f:11 v1 { metadata: { name: "b"@13 }@13 }@11
Node c f:14 v1 { metadata: { name: "c"@14 }@14 }@14
`, "4 objects, 1 strangers, 0 bad, map[Deployment.apps:1]"},
		{"directives", "%YAML 1.2\n%TAG !e! tag:example.org,2026:\n---\napiVersion: v1\nkind: Node\nmetadata:\n  name: !e!x a\n---\nkind: Node\napiVersion: v1\n", `
Node  f:9 v1 { }@9
Node a f:4 v1 { metadata: { name: "a"@7 }@7 }@4
`, "2 objects, 0 strangers, 0 bad"},
		{"line ends and mark", "\ufeffapiVersion: v1\r\nkind: Service\r\nmetadata:\r\n  name: a\r\n---\r\napiVersion: v1\r\nkind: Node\r\nmetadata:\r\n  name: b\r\n", `
Node b f:6 v1 { metadata: { name: "b"@9 }@9 }@6
Service default/a f:1 v1 { metadata: { name: "a"@4 }@4 }@1
`, "2 objects, 0 strangers, 0 bad"},
		{"generated name and namespace", "apiVersion: v1\nkind: Service\nmetadata:\n  generateName: a-\n  namespace: shop\n", `
Service shop/a-* f:1 v1 { metadata: { generateName: "a-"@4 namespace: "shop"@5 }@4 }@1
`, "1 objects, 0 strangers, 0 bad"},
		{"words and numbers", `apiVersion: v1
kind: Service
metadata: {name: a}
status:
  loadBalancer: [yes, Off, "true", ~, null, 0x10, 0o17, 017, 1_000, -0, 1.50, 1e3, 010.1, 2026-01-01, 10.0.0.1, !!str 12, !!binary YQ==, y]
`, `
Service default/a f:1 v1 { metadata: { name: "a"@3 }@3 status: { loadBalancer: [ true@5 false@5 "true"@5 null@5 null@5 16@5 15@5 15@5 1000@5 -0@5 1.50@5 1e3@5 010.1@5 "2026-01-01"@5 "10.0.0.1"@5 "12"@5 "a"@5 true@5 ]@5 }@5 }@1
`, "1 objects, 0 strangers, 0 bad"},
		{"aliases and merges", `apiVersion: v1
kind: Service
metadata: &m
  name: a
spec:
  externalIPs: &ips
  - 192.0.2.1
status:
  loadBalancer:
    <<: {p: 1, q: 1}
    q: 2
    list: *ips
    <<: [{r: 3, p: 9}, *m]
`, `
Service default/a f:1 v1 { metadata: { name: "a"@4 }@3 spec: { externalIPs: [ "192.0.2.1"@7 ]@6 }@6 status: { loadBalancer: { q: 2@11 list: [ "192.0.2.1"@7 ]@6 p: 1@10 r: 3@13 name: "a"@4 }@10 }@9 }@1
`, "1 objects, 0 strangers, 0 bad"},
		{"odd keys", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nstatus:\n  loadBalancer:\n    80: a\n    ~: b\n    [x]: c\n    ? {d: e}\n    : f\n    on: g\n", `
Service default/a f:1 v1 { metadata: { name: "a"@3 }@3 status: { loadBalancer: { 80: "a"@6 true: "g"@11 }@6 }@5 }@1
`, "1 objects, 0 strangers, 0 bad"},
		{"nothing", "\n\n# only this\n---\n---\n...\n", "", "0 objects, 0 strangers, 0 bad"},
		{"strangers", "hello\n---\n- a\n- b\n---\nkind: X\n---\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n---\nitems:\n- a: b\n- c: d\n", "", "0 objects, 4 strangers, 0 bad"},
		{"no end of line", "apiVersion: v1\nkind: Node\nmetadata:\n  name: a", "Node a f:1 v1 { metadata: { name: \"a\"@4 }@4 }@1\n", "1 objects, 0 strangers, 0 bad"},
		{"wrong types", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: text\n", `
Service default/a f:1 v1 { metadata: { name: "a"@3 }@3 spec: ""@4 }@1
f:4 partial: Service default/a: spec is a text, must be a map (failed)
`, "1 objects, 0 strangers, 0 bad"},
	} {
		t.Run(tt.name, tt.run)
	}
}

func TestJSON(t *testing.T) {
	for _, tt := range []decodeTest{
		{"lines", `
{
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": "a",
        "namespace": "n"
    },
    "spec": {
        "externalIPs": [
            "192.0.2.1",
            "192.0.2.2"
        ],
        "ports": [{"port": 80, "x": {"y": [1, 2]}}]
    }
}
`, `
Service n/a f:2 v1 { metadata: { name: "a"@6 namespace: "n"@7 }@5 spec: { externalIPs: [ "192.0.2.1"@11 "192.0.2.2"@12 ]@10 ports: [ { port: 80@14 }@14 ]@14 }@9 }@2
`, "1 objects, 0 strangers, 0 bad"},
		{"kind comes last", `{"metadata":{"name":"a"},"spec":{"podCIDR":"10.0.0.0/24"},"kind":"Node","apiVersion":"v1"}`, `
Node a f:1 v1 { metadata: { name: "a"@1 }@1 spec: { podCIDR: "10.0.0.0/24"@1 }@1 }@1
`, "1 objects, 0 strangers, 0 bad"},
		{"several documents", `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}{"apiVersion":"v1","kind":"Node","metadata":{"name":"b"}}
---
{"apiVersion":"v1","kind":"Node","metadata":{"name":"c"}}
---
apiVersion: v1
kind: Node
metadata: {name: d}
--- {"apiVersion":"v1","kind":"Node","metadata":{"name":"e"}}
{}
`, `
Node a f:1 v1 { metadata: { name: "a"@1 }@1 }@1
Node b f:1 v1 { metadata: { name: "b"@1 }@1 }@1
Node c f:3 v1 { metadata: { name: "c"@3 }@3 }@3
Node d f:5 v1 { metadata: { name: "d"@7 }@7 }@5
Node e f:8 v1 { metadata: { name: "e"@8 }@8 }@8
`, "5 objects, 1 strangers, 0 bad"},
		{"text with escapes", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","namespace":"\u00e4\n\"x\\\""},"status":{"loadBalancer":["\ud83d\ude00","\\","{[\"", true, null, 1.0e3, -0]}}`, `
Service ä
"x\"/a f:1 v1 { metadata: { name: "a"@1 namespace: "ä\n\"x\\\""@1 }@1 status: { loadBalancer: [ "😀"@1 "\\"@1 "{[\""@1 true@1 null@1 1.0e3@1 -0@1 ]@1 }@1 }@1
`, "1 objects, 0 strangers, 0 bad"},
		{"an array of objects", `[{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}, 1, "x", null, [], [{"apiVersion":"v1","kind":"Node","metadata":{"name":"b"}}], {"a":"b"}]`, `
Node a f:1 v1 { metadata: { name: "a"@1 }@1 }@1
Node b f:1 v1 { metadata: { name: "b"@1 }@1 }@1
`, "2 objects, 1 strangers, 0 bad"},
		{"YAML in brackets", `{"apiVersion": v1, kind: Node, 'metadata': {name: a}, } # so
`, `
Node a f:1 v1 { metadata: { name: "a"@1 }@1 }@1
`, "1 objects, 0 strangers, 0 bad"},
		{"names that are wanted", `[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"other","namespace":"kube-system"},"data":{"config.conf":"mode: ipvs"}},
{"apiVersion":"v1","kind":"ConfigMap","data":{"config.conf":"mode: ipvs"},"metadata":{"name":"kube-proxy","namespace":"kube-system"}}]`, `
ConfigMap kube-system/kube-proxy f:2 v1 { data: { config.conf: { mode: "ipvs"@2 }@2 }@2 metadata: { name: "kube-proxy"@2 namespace: "kube-system"@2 }@2 }@2
`, "2 objects, 0 strangers, 0 bad"},
	} {
		t.Run(tt.name, tt.run)
	}
}
