// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"whohas/testkit/clustergen"
)

func TestSizesCanBeBuilt(t *testing.T) {
	for _, small := range []bool{true, false} {
		for _, s := range sizes(small).all() {
			if err := s.Size.Check(); err != nil {
				t.Errorf("%s: %v", s.Name, err)
			}
		}
	}
}

// TestPad: every Pod gets the annotation, and keeps all it had.
func TestPad(t *testing.T) {
	f := clustergen.New(sizes(true).half.Size)
	var plain, padded bytes.Buffer
	if err := f.WriteList(&plain, "pods"); err != nil {
		t.Fatal(err)
	}
	if err := pad(&padded, bytes.NewReader(plain.Bytes())); err != nil {
		t.Fatal(err)
	}
	want, got := podsOf(t, plain.Bytes()), podsOf(t, padded.Bytes())
	if len(got) != len(want) {
		t.Fatalf("%d pods, want %d", len(got), len(want))
	}
	for i := range got {
		notes := got[i].Metadata.Annotations
		if len(notes) != len(want[i].Metadata.Annotations)+1 || len(notes["example.com/build"]) < padding*3/4 {
			t.Fatalf("pod %d: annotations %v", i, notes)
		}
		if string(got[i].Spec) != string(want[i].Spec) || got[i].Metadata.Name != want[i].Metadata.Name {
			t.Fatalf("pod %d has changed", i)
		}
	}
	if more := padded.Len() - plain.Len(); more < padding*len(got) || more > 2*padding*len(got) {
		t.Errorf("%d bytes more for %d pods", more, len(got))
	}
}

type podObject struct {
	Metadata struct {
		Name        string
		Annotations map[string]string
	}
	Spec json.RawMessage
}

func podsOf(t *testing.T, text []byte) []podObject {
	t.Helper()
	var list struct{ Items []podObject }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list.Items
}
