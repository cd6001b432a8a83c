// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/lab.md")

// TestDocs keeps the tables of docs/lab.md what the parser knows.
func TestDocs(t *testing.T) {
	const file = "../docs/lab.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var steps, questions []form
	for _, of := range []Verb{Check, Exec} {
		steps = append(steps, bare[of]...)
	}
	steps = append(steps, sorted(verbs)...)
	questions = sorted(queries)
	slices.SortStableFunc(questions, func(a, b form) int { return strings.Compare(subject(b), subject(a)) })
	want := string(text)
	for name, forms := range map[string][]form{
		"header": sorted(headerKeys), "topology": sorted(topologyKeys), "cluster": sorted(clusterKeys), "steps": steps, "questions": questions,
	} {
		want = replace(t, want, name, table(forms))
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), want); diff != "" {
		t.Errorf("docs/lab.md is stale (go test ./lab -run Docs -update):\n%s", diff)
	}
}

// TestForms: every verb and question has a form that begins as it is written,
// and says what it is.
func TestForms(t *testing.T) {
	for v, f := range verbs {
		if !strings.HasPrefix(f.text+" ", string(v)+" ") || f.doc == "" {
			t.Errorf("%s has the form %q, %q", v, f.text, f.doc)
		}
	}
	for q, f := range queries {
		if words := strings.Fields(f.text); len(words) < 2 || words[1] != q || f.doc == "" {
			t.Errorf("%s has the form %q, %q", q, f.text, f.doc)
		}
	}
	for _, q := range ofComponents {
		if _, ok := queries[q]; !ok {
			t.Errorf("%s: no such question", q)
		}
	}
}

func sorted[K ~string](forms map[K]form) []form {
	var list []form
	for _, key := range slices.Sorted(maps.Keys(forms)) {
		list = append(list, forms[key])
	}
	return list
}

func subject(f form) string { return strings.Fields(strings.ToLower(f.text))[0] }

func table(forms []form) string {
	var b strings.Builder
	b.WriteString("| | |\n|---|---|\n")
	for _, f := range forms {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(f.text, "|", "\\|"), f.doc)
	}
	return b.String()
}

// replace puts a table between its marks.
func replace(t *testing.T, text, name, table string) string {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok := strings.Cut(text, begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("docs/lab.md has no place for the table %s", name)
	}
	return before + begin + table + end + after
}
