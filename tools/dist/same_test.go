// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSameBytes: built from the same files in another folder, everything is the same.
func TestSameBytes(t *testing.T) {
	here := made(t)
	t.Setenv("TZ", "Asia/Kathmandu")
	t.Setenv("SOURCE_DATE_EPOCH", "1")
	_, there, err := build(another(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(here) != len(there) {
		t.Fatalf("%d and %d files", len(here), len(there))
	}
	for i, f := range here {
		if g := there[i]; f.path != g.path || f.sum() != g.sum() {
			t.Errorf("%s %s\n%s %s", f.sum(), f.path, g.sum(), g.path)
		}
	}
}

// another is a second checkout with the same commit, and the same changes to it.
func another(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "elsewhere")
	say(t, nil, "git", "clone", "-q", "--shared", "--no-checkout", root, dir)
	out, err := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		from, to := filepath.Join(root, name), filepath.Join(dir, name)
		info, err := os.Stat(from)
		if os.IsNotExist(err) {
			continue // deleted, and not committed
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, info.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	say(t, nil, "git", "-C", dir, "reset", "-q")
	return dir
}
