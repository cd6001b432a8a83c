// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestMain lets the store run this program's parts, as the program does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && children[os.Args[1]] != nil {
		if err := children[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestStore(t *testing.T) {
	s := store{dir: t.TempDir(), root: ".."}
	tree := sizes(true).tree
	made, err := s.ensure(tree)
	if err != nil {
		t.Fatal(err)
	}
	if bytes, err := made.warm(); err != nil || bytes < 100_000 {
		t.Errorf("%d bytes of manifests, error %v", bytes, err)
	}
	if got := own(made.planted); got != tree.Size.Conflicts {
		t.Errorf("%d conflicts planted, want %d", got, tree.Size.Conflicts)
	}
	mark := filepath.Join(made.dir, "mark")
	for _, step := range []struct {
		stamp string // what stands there before; "" leaves it
		kept  bool
	}{{"", true}, {"of another generator\n", false}, {"", true}} {
		if err := os.WriteFile(mark, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if step.stamp != "" {
			if err := os.WriteFile(filepath.Join(s.dir, tree.Name, stampFile), []byte(step.stamp), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.ensure(tree); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(mark); (err == nil) != step.kept {
			t.Errorf("stamp %q: kept %v", step.stamp, err == nil)
		}
	}
}

// TestForeignFolder: what this program has not made stays.
func TestForeignFolder(t *testing.T) {
	s := store{dir: t.TempDir(), root: ".."}
	tree := sizes(true).tree
	mine := filepath.Join(s.dir, tree.Name, "letter")
	if err := os.MkdirAll(filepath.Dir(mine), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mine, []byte("dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ensure(tree); err == nil {
		t.Error("no error")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}
