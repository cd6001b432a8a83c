// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"whohas/snapshot"
)

const nodeA = "apiVersion: v1\nkind: Node\nmetadata: {name: a}\n"

func TestFaults(t *testing.T) {
	kept := "Node a f:%d v1 { metadata: { name: \"a\"@%d }@%[2]d }@%[1]d\n"
	for _, tt := range []decodeTest{
		{"a broken document among others", "a: b\n c\n d: e\n---\n" + nodeA, fmt.Sprintf(kept, 5, 7) +
			"f:3 unreadable: yaml: mapping values are not allowed in this context (failed)\n", "1 objects, 0 strangers, 1 bad"},
		{"the line of a missing key", "kind: Node\nspec:\n  a: 1\n  b: 2\n  c: 3\n c: 4\n", "f:6 unreadable: yaml: did not find expected key (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"a bracket that is not closed", "\n\na: [1,\n2\nb: 3\nc: 4\n", "f:4 unreadable: yaml: did not find expected ',' or ']' (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"a quote that is not closed", "a: 1\nb: \"x\nc: 3\n", "f:2 unreadable: yaml: found unexpected end of stream (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"a tab", "a:\n  b: 1\n\tc: 2\n", "f:3 unreadable: yaml: found a tab character that violates indentation (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"an unknown anchor", "a: *b\n", "f:1 unreadable: yaml: unknown anchor '...' referenced (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"JSON that is cut off", "{\n\"a\": [\n", "f:1 unreadable: json: unexpected end of text (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"a string that is cut off", `{"a": "b\`, "f:1 unreadable: json: unexpected end of text (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"brackets that do not match", "{\"a\": 1]\n" + `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}`, fmt.Sprintf(kept, 2, 2) +
			"f:1 unreadable: json: invalid character ']' after object value (expecting ',' or '}') (failed)\n", "1 objects, 0 strangers, 1 bad"},
		{"a bracket too many", `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}}` + "\n{}\n", fmt.Sprintf(kept, 1, 1) +
			"f:1 unreadable: json: unexpected } (failed)\n", "1 objects, 1 strangers, 1 bad"},
		{"UTF-16", "\xff\xfea\x00", "f:0 unreadable: text is UTF-16, not UTF-8 (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"binary", "a: b\x00\n", "f:0 unreadable: binary file (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"control characters", "a: b\x01\n", "f:1 unreadable: yaml: control characters are not allowed (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"a Helm template", "{{- if .Values.x }}\n" + nodeA + "{{- end }}\n---\n" + nodeA, fmt.Sprintf(kept, 7, 9) +
			"f:1 unreadable: template, not rendered\n", "1 objects, 1 strangers, 0 bad"},
		{"a Jinja template", "{% if x %}\n" + nodeA, "f:1 unreadable: template, not rendered\n", "0 objects, 1 strangers, 0 bad"},
		{"placeholders", "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  externalIPs: {{ .Values.ips }}\n  type: {{.T}}\n", `
Service default/{{ .Release.Name }} f:1 v1 { metadata: { name: "{{ .Release.Name }}"@4 }@4 spec: { externalIPs: "{{ .Values.ips }}"@6 type: "{{.T}}"@7 }@6 }@1
`, "1 objects, 0 strangers, 0 bad"},
		{"duplicate keys", "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  name: b\nspec:\n  type: X\nspec:\n  externalIPs: []\n", `
Service default/b f:1 v1 { metadata: { name: "b"@5 }@4 spec: { externalIPs: [ ]@9 }@9 }@1
f:5 partial: key "name" twice, on lines 4 and 5: the last one counts (failed)
f:8 partial: key "spec" twice, on lines 6 and 8: the last one counts (failed)
`, "1 objects, 0 strangers, 0 bad"},
		{"duplicate keys in JSON", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"a",
"name":"b", "x":1, "x":2},
"spec":{"type":"X"},
"spec":{"externalIPs":[]}}`, `
Service default/b f:1 v1 { metadata: { name: "b"@2 }@1 spec: { externalIPs: [ ]@4 }@4 }@1
f:2 partial: key "name" twice, on lines 1 and 2: the last one counts (failed)
f:4 partial: key "spec" twice, on lines 3 and 4: the last one counts (failed)
`, "1 objects, 0 strangers, 0 bad"},
		{"two objects with nothing between them", "apiVersion: v1\nkind: Node\nmetadata: {name: a}\napiVersion: v1\nkind: Secret\n",
			"f:5 partial: key \"kind\" twice, on lines 2 and 5: the last one counts (failed)\n", "1 objects, 0 strangers, 0 bad, map[Secret:1]"},
		{"an alias bomb", bomb(), "f:1 unreadable: yaml: aliases stand for more than 100000 nodes (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"an alias of itself", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nstatus:\n  loadBalancer: &a [*a]\n",
			"f:1 unreadable: yaml: nested deeper than 200 (failed)\n", "0 objects, 0 strangers, 1 bad"},
		{"JSON nested too deep", `{"apiVersion":"v1","kind":"Service","status":{"loadBalancer":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}}`,
			"f:1 unreadable: json: nested deeper than 200 (failed)\n", "0 objects, 0 strangers, 1 bad"},
	} {
		t.Run(tt.name, tt.run)
	}
}

func bomb() string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Service\nx:\n- &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := range 12 {
		fmt.Fprintf(&b, "- &a%d [%s]\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	b.WriteString("status:\n  loadBalancer: *a12\n")
	return b.String()
}

func TestDump(t *testing.T) {
	node := `{
    "kind": "NodeList",
    "apiVersion": "v1",
    "metadata": {},
    "items": [
        {
            "metadata": {
                "name": "%s"
            }
        }
    ]
}
`
	in := fmt.Sprintf(node, "a") +
		"==== START logs for container c of pod n/p ====\n{\"level\": \"info\", \"x\": [}\n--- \n==== END logs for container other of pod n/p ====\nno line end==== END logs for container c of pod n/p ====\n" +
		fmt.Sprintf(node, "b") +
		"==== START logs for container d of pod n/p ====\n==== END logs for container d of pod n/p ====\n" +
		nodeA +
		"==== START logs for container e of pod n/p ====\nkind: Node\n"
	decodeTest{in: in, want: `
Node a f:6 v1 { metadata: { name: "a"@8 }@7 }@6
Node a f:32 v1 { metadata: { name: "a"@34 }@34 }@32
Node b f:23 v1 { metadata: { name: "b"@25 }@24 }@23
f:35 unreadable: log section has no end (failed)
`, result: "3 objects, 0 strangers, 1 bad"}.run(t)
}

// TestManyFaults: a file of nothing but faults is told in a bounded number of
// lines, and counted in full.
func TestManyFaults(t *testing.T) {
	snap, result := decode(t, strings.NewReader(strings.Repeat("a: b: c\n---\n", 5000)))
	if result.Bad != 5000 || len(snap.Coverage) != maxTold {
		t.Errorf("%d bad, %d lines of coverage", result.Bad, len(snap.Coverage))
	}
}

func TestHelmTemplates(t *testing.T) {
	var into snapshot.Builder
	r := Reading{Reads: testReads(t), Into: &into, File: "f", Templates: true}
	if _, err := r.Decode(t.Context(), strings.NewReader("{{ if x }}\na: b\n")); err != nil {
		t.Fatal(err)
	}
	if got, want := show(into.Snapshot()), "f:1 unreadable: helm template, not rendered\n"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestMadeTextHasNoLines(t *testing.T) {
	var into snapshot.Builder
	r := Reading{Reads: testReads(t), Into: &into, File: "f", Generated: true}
	in := bytes.NewReader([]byte(`{"apiVersion":"v1","kind":"Node","metadata":{"name":"a","name":"b"}}`))
	if _, err := r.Decode(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	want := "Node b f:0 v1 { metadata: { name: \"b\" } }\nf:0 partial: key \"name\" twice, on lines 1 and 1: the last one counts (failed)\n"
	if got := show(into.Snapshot()); got != want {
		t.Errorf("got %s", got)
	}
}
