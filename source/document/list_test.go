// SPDX-License-Identifier: Apache-2.0

package document

import (
	"strings"
	"testing"

	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
)

func TestLists(t *testing.T) {
	for _, tt := range []decodeTest{
		{"kubectl's JSON", `{
    "apiVersion": "v1",
    "items": [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": "a"
            }
        },
        {
            "apiVersion": "v1",
            "kind": "Secret"
        }
    ],
    "kind": "List",
    "metadata": {
        "resourceVersion": ""
    }
}
`, "Node a f:4 v1 { metadata: { name: \"a\"@8 }@7 }@4\n", "2 objects, 0 strangers, 0 bad, map[Secret:1]"},
		{"the API server's JSON", `{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"1","continue":"abc"},"items":[
{"metadata":{"name":"a"}},
{"metadata":{"name":"b"}}]}`, `
Node a f:2 v1 { metadata: { name: "a"@2 }@2 }@2
Node b f:3 v1 { metadata: { name: "b"@3 }@3 }@3
`, "2 objects, 0 strangers, 0 bad, continue abc"},
		{"the kind of the items comes after them", `{"apiVersion":"v1","items":[
{"metadata":{"name":"a"}},
{"metadata":{"name":"b"}}],"kind":"NodeList","metadata":{"continue":"abc"}}`, `
Node a f:2 v1 { metadata: { name: "a"@2 }@2 }@2
Node b f:3 v1 { metadata: { name: "b"@3 }@3 }@3
`, "2 objects, 0 strangers, 0 bad, continue abc"},
		{"lists in lists", `{"kind":"List","apiVersion":"v1","items":[
{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"a"}}]},
{"items":[{"metadata":{"name":"b"}}],"kind":"NodeList","apiVersion":"v1"},
{"kind":"Node","apiVersion":"v1","metadata":{"name":"c"}}]}`, `
Node a f:2 v1 { metadata: { name: "a"@2 }@2 }@2
Node b f:3 v1 { metadata: { name: "b"@3 }@3 }@3
Node c f:4 v1 { metadata: { name: "c"@4 }@4 }@4
`, "3 objects, 0 strangers, 0 bad"},
		{"no list", `{"items":[{"a":1},{"b":2}],"kind":1}`, "", "0 objects, 1 strangers, 0 bad"},
		{"empty lists", `{"items":[],"kind":"List"} {"kind":"NodeList","apiVersion":"v1","items":[ ]} {"kind":"X","items":null}`, "", "0 objects, 0 strangers, 0 bad"},
		{"items elsewhere", `{"kind":"Node","apiVersion":"v1","metadata":{"name":"a","items":[{"x":1}]},"x":"items","spec":{"items":[]}}`, `
Node a f:1 v1 { metadata: { name: "a"@1 }@1 spec: { }@1 }@1
`, "1 objects, 0 strangers, 0 bad"},
		{"kubectl's YAML", `apiVersion: v1
items:
- apiVersion: v1
  kind: Node
  metadata:
    name: a
- apiVersion: v1
  kind: Node
  metadata:
    name: b
kind: List
metadata:
  resourceVersion: ""
`, `
Node a f:3 v1 { metadata: { name: "a"@6 }@6 }@3
Node b f:7 v1 { metadata: { name: "b"@10 }@10 }@7
`, "2 objects, 0 strangers, 0 bad"},
		{"YAML, typed", `apiVersion: v1
kind: NodeList
metadata:
  continue: abc
items:
  # the first
  - metadata:
      name: a

  - metadata: {name: b}
---
items:
- metadata:
    name: c
kind: NodeList
apiVersion: v1
`, `
Node a f:7 v1 { metadata: { name: "a"@8 }@8 }@7
Node b f:10 v1 { metadata: { name: "b"@10 }@10 }@10
Node c f:13 v1 { metadata: { name: "c"@14 }@14 }@13
`, "3 objects, 0 strangers, 0 bad, continue abc"},
		{"YAML with anchors", `kind: List
apiVersion: v1
items:
- &a
  apiVersion: v1
  kind: Node
  metadata: {name: a}
- <<: *a
  metadata: {name: b}
- *a
`, `
Node a f:4 v1 { metadata: { name: "a"@7 }@7 }@4
Node b f:8 v1 { metadata: { name: "b"@9 }@9 }@8
`, "3 objects, 0 strangers, 0 bad"},
		{"a broken item of a YAML list", `apiVersion: v1
items:
- apiVersion: v1
  kind: Node
  metadata:
    name: a
- apiVersion: v1
  kind: Node
  metadata:
    name: b: c
- apiVersion: v1
  kind: Node
  metadata:
    name: d
kind: List
`, `
Node a f:3 v1 { metadata: { name: "a"@6 }@6 }@3
Node d f:11 v1 { metadata: { name: "d"@14 }@14 }@11
f:10 unreadable: yaml: mapping values are not allowed in this context (failed)
`, "2 objects, 0 strangers, 1 bad"},
		{"a broken item of a JSON list", `{"items":[
{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}},
{"apiVersion":"v1","kind":"Node",
 "metadata":{"name":"b" "c"}},
{"apiVersion":"v1","kind":"Node","metadata":{"name":"d
}},
{"apiVersion":"v1","kind":"Node","metadata":{"name":"e"}}
],"kind":"List"}`, `
Node a f:2 v1 { metadata: { name: "a"@2 }@2 }@2
Node e f:7 v1 { metadata: { name: "e"@7 }@7 }@7
f:4 unreadable: json: invalid character '"' after object value (expecting ',' or '}') (failed)
f:5 unreadable: json: invalid character '\n' in string (expecting non-control character) (failed)
`, "2 objects, 0 strangers, 2 bad"},
		{"commas in a JSON list", `[{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}
{"apiVersion":"v1","kind":"Node","metadata":{"name":"b"}},
,]`, `
Node a f:1 v1 { metadata: { name: "a"@1 }@1 }@1
Node b f:2 v1 { metadata: { name: "b"@2 }@2 }@2
f:3 unreadable: json: comma before ] (failed)
f:2 unreadable: json: missing comma (failed)
f:3 unreadable: json: unexpected , (failed)
`, "2 objects, 0 strangers, 3 bad"},
		{"a list that is cut off", `{"items":[
{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}},
{"apiVersion":"v1","kind":"No`, `
Node a f:2 v1 { metadata: { name: "a"@2 }@2 }@2
f:3 unreadable: json: unexpected end of text (failed)
`, "1 objects, 0 strangers, 1 bad"},
		{"nested too deep", strings.Repeat("[", 12) + strings.Repeat("]", 12) + `{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}`, `
Node a f:1 v1 { metadata: { name: "a"@1 }@1 }@1
f:1 unreadable: lists are nested too deep (failed)
`, "1 objects, 0 strangers, 1 bad"},
		{"nested too deep in YAML", "- " + strings.Repeat("[", 12) + strings.Repeat("]", 12) + "\n- {apiVersion: v1, kind: Node, metadata: {name: a}}\n", `
Node a f:2 v1 { metadata: { name: "a"@2 }@2 }@2
f:1 unreadable: lists are nested too deep (failed)
`, "1 objects, 0 strangers, 1 bad"},
	} {
		t.Run(tt.name, tt.run)
	}
}

// TestEmptyListOfAKind: to have read that there are none is to have read the kind.
func TestEmptyListOfAKind(t *testing.T) {
	for _, in := range []string{
		`{"kind":"NodeList","apiVersion":"v1","items":[]}`,
		`{"apiVersion":"v1","items":[],"kind":"NodeList"}`,
		`{"kind":"NodeList","apiVersion":"v1","metadata":{},"items":null}`,
		"apiVersion: v1\nkind: NodeList\nitems: []\n",
		"apiVersion: v1\nkind: NodeList\nitems:\n",
	} {
		_, result := decode(t, strings.NewReader(in))
		if diff := cmp.Diff(map[snapshot.Kind]int{nodeKind: 0}, result.Kept); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
}
