// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"os"
	"path/filepath"
	"testing"

	"whohas/snapshot"
)

// TestCorpus reads files as people write them. What counts is that none of them
// stops the others.
func TestCorpus(t *testing.T) {
	for _, dir := range []string{"manifests", "clusters", "policy-testdata"} {
		t.Run(dir, func(t *testing.T) {
			path := filepath.Join("..", "..", "..", "shared", "corpus", dir)
			if _, err := os.Stat(path); err != nil {
				t.Skipf("the corpus is not here: %v", err)
			}
			var into snapshot.Builder
			result, err := Read(t.Context(), Options{Paths: []string{path}, Recursive: true, Reads: testReads(t)}, &into)
			if err != nil {
				t.Fatal(err)
			}
			if result.Objects == 0 {
				t.Error("no objects found")
			}
			t.Logf("%d objects, kept %v, other %v, %d strangers, %d bad", result.Objects, result.Kept, result.Other, result.Strangers, result.Bad)
			for _, c := range into.Snapshot().Coverage {
				if c.Detail != "not modelled" {
					t.Logf("%+v", c)
				}
			}
		})
	}
}

func testReads(t testing.TB) snapshot.Reads {
	t.Helper()
	service := snapshot.Kind{Kind: "Service", Resource: "services", Namespaced: true}
	node := snapshot.Kind{Kind: "Node", Resource: "nodes"}
	reads, err := snapshot.NewReads(append(snapshot.OwnReads(),
		snapshot.Read{Kind: service, Fields: []string{"spec<any>"}},
		snapshot.Read{Kind: node, Fields: []string{"status.addresses<any>"}},
	)...)
	if err != nil {
		t.Fatal(err)
	}
	return reads
}
