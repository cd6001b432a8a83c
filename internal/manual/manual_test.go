// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/internal/cli"
)

// written is what the program writes, by path.
func written(t *testing.T) (dir string, files map[string]string) {
	t.Helper()
	dir = t.TempDir()
	if err := run(dir, "v1.2.3", "2026-12-01"); err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, err := os.ReadFile(filepath.Join(dir, path))
			files[path] = string(text)
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir, files
}

// TestSame: written twice it is the same.
func TestSame(t *testing.T) {
	_, first := written(t)
	_, second := written(t)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
}

// TestPages: each command has a page, which names each flag that it has.
func TestPages(t *testing.T) {
	_, files := written(t)
	for _, cmd := range pagesOf(cli.Commands()) {
		page, ok := files["man1/"+name(cmd)+".1"]
		if !ok || !strings.HasPrefix(page, ".TH "+strings.ReplaceAll(strings.ToUpper(name(cmd)), "-", `\-`)+` 1 2026-12-01 "kubectl\-whohas v1.2.3"`) {
			t.Errorf("%s: %.80q", name(cmd), page)
		}
		for _, line := range strings.Split(cmd.LocalFlags().FlagUsages(), "\n") {
			if _, flag, ok := strings.Cut(strings.Fields(line + " x")[0], "--"); ok && !strings.Contains(page, text("--"+flag)+`\fR`) {
				t.Errorf("%s says nothing of --%s", name(cmd), flag)
			}
		}
	}
	for _, other := range []string{"man1/whohas-guard-serve.1", "man1/whohas-guard-certify.1"} {
		if files[other] == "" {
			t.Errorf("no %s", other)
		}
	}
	// Debian has a package whohas, which is another program: its page is not ours to take.
	if files["man1/whohas.1"] != "" {
		t.Error("there is a whohas.1")
	}
}

// TestLint: mandoc has nothing to complain about, and shows what the help says.
func TestLint(t *testing.T) {
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		t.Skip("SKIPPED: mandoc is not there (tools/packages)")
	}
	dir, _ := written(t)
	pages, _ := filepath.Glob(filepath.Join(dir, "man1", "*"))
	if out, err := exec.Command(mandoc, append([]string{"-Tlint", "-W", "warning"}, pages...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v:\n%s", err, out)
	}
	out, err := exec.Command(mandoc, "-Tutf8", "-O", "width=100", filepath.Join(dir, "man1", "kubectl-whohas-guard-policy.1")).Output()
	if err != nil {
		t.Fatal(err)
	}
	plain := regexpOverstrike.ReplaceAllString(string(out), "")
	for _, line := range []string{
		"  node-params  each Node is a parameter: follows nodes that join, with nothing\n",
		"  kubectl delete validatingadmissionpolicybinding whohas-guard\n",
	} {
		if !strings.Contains(plain, line) {
			t.Errorf("%q is not in:\n%s", line, plain)
		}
	}
}

// regexpOverstrike is how mandoc makes letters bold, and underlines.
var regexpOverstrike = regexp.MustCompile(".\x08")

func TestText(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`.whohas.yaml`, `\&.whohas.yaml`},
		{`'a\b' --flag`, `\(aqa\eb\(aq \-\-flag`},
		{"a\n.b", "a\n\\&.b"},
	} {
		if got := text(tt.text); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestBadDate(t *testing.T) {
	if err := run(t.TempDir(), "v1", "today"); err == nil {
		t.Error("no error")
	}
}
