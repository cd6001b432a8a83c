// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"strings"
	"testing"

	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
)

// FuzzRead reads any text in a good envelope, and any bytes in none: there is
// no panic, and what was read whole is written and read again as the same.
func FuzzRead(f *testing.F) {
	text := unzipped(f, write(f, sample()))
	f.Add([]byte(text))
	f.Add(write(f, sample()))
	for _, line := range strings.SplitAfter(text, "\n")[1:] {
		f.Add([]byte(magic + `,"version":1}` + "\n" + line + `{"end":1}`))
	}
	for _, line := range []string{`["object",[],"",[[[]]],"",1,[1,-1],[2,"null"]]`, `["new",{"a":[1,"]"]}]`, `[]`, `["pod",null]`, `["coverage","\ud800"]`,
		`["host","n1",{"name":"n1","links":[{"index":1,"name":"eth0"}],"addresses":[{"link":"eth0","prefix":"192.0.2.1/24"}],"sysctls":{"a":"b"},"tables":[{"backend":"nft","family":"ip","name":"nat"}]}]`,
		`["host","n1",{"name":"n1","new":[{}]},1]`, `["host","n1",{"NAME":"n1","routes":[{"to":""}]}]`} {
		f.Add([]byte(magic + `,"version":1}` + "\n" + line + "\n" + `{"end":1}`))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<20 {
			t.Skip()
		}
		Is(text)
		var raw snapshot.Builder
		if err := Read(t.Context(), bytes.NewReader(text), "raw", &raw); err == nil && !Is(text) {
			t.Error("read what is no snapshot")
		}
		s, err := read(zipped(t, string(text)))
		if err != nil {
			return
		}
		again, err := read(write(t, s))
		if err != nil {
			t.Fatalf("not read again: %v", err)
		}
		if diff := cmp.Diff(s, again, equal); diff != "" {
			t.Errorf("-read +read again:\n%s", diff)
		}
	})
}
