// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"os"
	"strings"
	"testing"
)

// TestDocument reads the example of docs/snapshot-format.md.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/snapshot-format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```\n")
	example, _, _ = strings.Cut(example, "```")
	s, err := read(zipped(t, example))
	if err != nil {
		t.Fatal(err)
	}
	again := strings.NewReplacer("whohas test", "whohas v0.1.0").Replace(unzipped(t, write(t, s)))
	if again != example {
		t.Errorf("written again:\n%s", again)
	}
}
