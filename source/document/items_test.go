// SPDX-License-Identifier: Apache-2.0

package document_test

import (
	"context"
	"strings"
	"testing"

	"whohas/snapshot"
	"whohas/source/document"
)

// TestItems: a list whose items are not read, or one of them, is told: nobody hides an
// object there.
func TestItems(t *testing.T) {
	const service = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"externalIPs":["192.0.2.1"]}}`
	const list = "is no list"
	for _, c := range []struct {
		name, text, told string
		objects          int
	}{
		{"a list", `{"apiVersion":"v1","kind":"List","items":[` + service + `]}`, "", 1},
		{"null", `{"apiVersion":"v1","kind":"List","items":null}`, "", 0},
		{"none", `{"apiVersion":"v1","kind":"List"}`, "", 0},
		{"a null in it", `{"apiVersion":"v1","kind":"List","items":[null,` + service + `]}`, "", 1},
		{"a map", `{"apiVersion":"v1","kind":"List","items":` + service + `}`, list, 0},
		{"a map in a typed list", `{"items":` + service + `,"apiVersion":"v1","kind":"ServiceList"}`, list, 0},
		{"a text", `{"apiVersion":"v1","kind":"List","items":"x"}`, list, 0},
		{"an escaped name", `{"apiVersion":"v1","kind":"List","\u0069tems":[` + service + `]}`, list, 0},
		{"a text in it", `{"apiVersion":"v1","kind":"List","items":["x",` + service + `]}`, "is no map", 1},
		{"a number in it, kind behind", `{"items":[5,` + service + `],"apiVersion":"v1","kind":"List"}`, "is no map", 1},
		{"another kind's own items", `{"apiVersion":"example.com/v1","kind":"ShoppingList","items":{"a":"b"}}`, "", 0},
		{"values", `{"items":["a","b"]}`, "", 0},
		{"yaml: a list", "apiVersion: v1\nkind: List\nitems:\n- " + service + "\n", "", 1},
		{"yaml: a map", "apiVersion: v1\nkind: List\nitems: " + service + "\n", list, 0},
		{"yaml: a text", "apiVersion: v1\nkind: List\nitems: x\n", list, 0},
		{"yaml: null", "apiVersion: v1\nkind: List\nitems:\n", "", 0},
		{"yaml: a text in it", "apiVersion: v1\nkind: List\nitems:\n- x\n- " + service + "\n", "is no map", 1},
		{"yaml: an alias", "x: &s\n- " + service + "\napiVersion: v1\nkind: List\nitems: *s\n", "", 1},
		{"yaml: values", "items: [a, b]\n", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			reads, err := snapshot.NewReads(snapshot.Read{Kind: snapshot.Kind{Kind: "Service", Resource: "services", Namespaced: true}, Fields: []string{"spec.externalIPs[]"}})
			if err != nil {
				t.Fatal(err)
			}
			into := &snapshot.Builder{}
			if _, err := (document.Reading{Reads: reads, Into: into, File: "f"}).Decode(context.Background(), strings.NewReader(c.text)); err != nil {
				t.Fatal(err)
			}
			s := into.Snapshot()
			told := ""
			for _, l := range s.Coverage {
				if l.Failed {
					told += l.Detail
				}
			}
			if len(s.Objects) != c.objects || (told == "") != (c.told == "") || !strings.Contains(told, c.told) {
				t.Errorf("%d objects, told %q; want %d, %q", len(s.Objects), told, c.objects, c.told)
			}
		})
	}
}
