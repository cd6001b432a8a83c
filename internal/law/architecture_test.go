// SPDX-License-Identifier: Apache-2.0

package law

import (
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the table of ARCHITECTURE.md")

// TestArchitecture: the table of ARCHITECTURE.md is the law, with what each package says of
// itself. A package stands below those that it may import.
func TestArchitecture(t *testing.T) {
	name := filepath.Join(root, "ARCHITECTURE.md")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- law -->\n", "<!-- /law -->"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatal("ARCHITECTURE.md has no place for the table")
	}
	want := before + begin + table(t) + end + after
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("ARCHITECTURE.md is stale (go test ./internal/law -run Architecture -update):\n%s", diff)
	}
}

func table(t *testing.T) string {
	t.Helper()
	levels := map[string]int{}
	for dir := range may {
		level(t, dir, levels)
	}
	dirs := slices.SortedFunc(maps.Keys(may), func(a, b string) int {
		if levels[a] != levels[b] {
			return levels[a] - levels[b]
		}
		return strings.Compare(a, b)
	})
	var b strings.Builder
	b.WriteString("| package | is | may import |\n|---|---|---|\n")
	for _, dir := range dirs {
		imports := strings.Join(slices.Sorted(slices.Values(may[dir])), ", ")
		if imports == "" {
			imports = "none of ours"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", dir, says(t, dir), imports)
	}
	for _, dir := range anything {
		fmt.Fprintf(&b, "| %s | %s | all |\n", dir, says(t, dir))
	}
	return b.String()
}

// level is how many packages stand on one another below this one.
func level(t *testing.T, dir string, levels map[string]int) int {
	t.Helper()
	if n, ok := levels[dir]; ok {
		if n < 0 {
			t.Fatalf("%s may import itself, by others", dir)
		}
		return n
	}
	levels[dir] = -1
	n := 0
	for _, below := range may[dir] {
		n = max(n, 1+level(t, below, levels))
	}
	levels[dir] = n
	return n
}

// says is the first sentence of a package's comment, without its name.
func says(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Doc == nil {
			continue
		}
		text := strings.Join(strings.Fields(parsed.Doc.Text()), " ")
		words := strings.SplitN(text, " ", 3) // "Package x is ..."
		first, _, _ := strings.Cut(words[len(words)-1], ". ")
		return strings.ReplaceAll(strings.TrimSuffix(first, "."), "|", `\|`)
	}
	return ""
}
