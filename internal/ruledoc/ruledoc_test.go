// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/rules"
)

const root = "../.."

// made are the pages, made once for all tests.
var made = sync.OnceValues(func() (map[string]string, error) { return pages(root) })

// TestFresh refuses a page that is stale, that is missing, and one too many.
func TestFresh(t *testing.T) {
	want, err := made()
	if err != nil {
		t.Fatal(err)
	}
	got, err := present(root)
	if err != nil {
		t.Fatal(err)
	}
	const mend = "run: go run ./internal/ruledoc"
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch text, ok := got[name]; {
		case !ok:
			t.Errorf("%s/%s is missing; %s", pagesDir, name, mend)
		case text != want[name]:
			t.Errorf("%s/%s is stale; %s\n%s", pagesDir, name, mend, cmp.Diff(text, want[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			t.Errorf("%s/%s is no rule's; %s", pagesDir, name, mend)
		}
	}
}

func TestDeterministic(t *testing.T) {
	first, err := made()
	if err != nil {
		t.Fatal(err)
	}
	again, err := pages(filepath.Join(root, "rules", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Error(diff)
	}
}

// TestPages looks at what must be on every page.
func TestPages(t *testing.T) {
	all, err := made()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(rules.All())+1 {
		t.Errorf("%d pages for %d rules", len(all), len(rules.All()))
	}
	for _, r := range rules.All() {
		page := all[r.ID+".md"]
		for _, want := range []string{"# " + r.ID + " " + r.Name, "Severity: ", "## Example", "Is found", "\n" + r.ID + " ", "scenarios in which it fires", r.Doc.Refs[0]} {
			if !strings.Contains(page, want) {
				t.Errorf("%s.md does not hold %q", r.ID, want)
			}
		}
		if !strings.Contains(all["README.md"], "| ["+r.ID+"]("+r.ID+".md) | "+r.Name+" | ") {
			t.Errorf("the index does not list %s", r.ID)
		}
	}
}

// TestWrite puts the folder right from any state.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "rules", "testdata"), os.DirFS(filepath.Join(root, "rules", "testdata"))); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, pagesDir), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"WH000.md": "retired", "WH101.md": "stale"} {
		if err := os.WriteFile(filepath.Join(dir, pagesDir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	want, err := made()
	if err != nil {
		t.Fatal(err)
	}
	got, err := present(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}
