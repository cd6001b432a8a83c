// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/rules"
)

// repository is a folder that looks enough like one.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "rules", "testdata"), 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}

func list(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator))))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// free is an ID that no rule has.
func free(t *testing.T) string {
	t.Helper()
	for _, id := range []string{"WH299", "WH298", "WH297"} {
		if unused(repository(t), id, "no-such-name") == nil {
			return id
		}
	}
	t.Fatal("no free id")
	return ""
}

func TestBegin(t *testing.T) {
	root, id := repository(t), free(t)
	var out bytes.Buffer
	if err := begin(&out, root, id, "lb-ip-on-mars"); err != nil {
		t.Fatal(err)
	}
	lower := strings.ToLower(id)
	want := []string{"rules/testdata/" + id + "/fires.txtar", "rules/testdata/" + id + "/quiet.txtar", "rules/" + lower + "_lb_ip_on_mars.go"}
	if diff := cmp.Diff(want, list(t, root)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(filepath.Join(root, want[2]))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"var LBIPOnMars = add(", `"` + id + `"`, `"lb-ip-on-mars"`, "// LBIPOnMars is TODO", "// SPDX-License-Identifier: Apache-2.0\n"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the rule's file lacks %q", part)
		}
	}
	if formatted, err := format.Source(text); err != nil || !bytes.Equal(formatted, text) {
		t.Errorf("the rule's file is not formatted: %v", err)
	}
	for _, part := range append(want, "go test ./rules -run '/"+id+"'", "go run ./internal/ruledoc") {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the output does not speak of %q:\n%s", part, out.String())
		}
	}
	if err := begin(&out, root, id, "another-name"); err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("the same id again: %v", err)
	}
	if err := begin(&out, root, "WH296", "lb-ip-on-mars"); err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("the same name again: %v", err)
	}
	if diff := cmp.Diff(want, list(t, root)); diff != "" {
		t.Errorf("a refusal wrote files (-want +got):\n%s", diff)
	}
}

func TestRefuses(t *testing.T) {
	root, known := repository(t), rules.All()[0]
	for name, tt := range map[string]struct{ id, name, want string }{
		"id in use":        {known.ID, "some-new-name", "taken by " + known.Name},
		"name in use":      {free(t), known.Name, "taken by " + known.ID},
		"lower case":       {"wh299", "some-new-name", "three digits"},
		"two digits":       {"WH29", "some-new-name", "three digits"},
		"four digits":      {"WH2999", "some-new-name", "three digits"},
		"no family":        {"WH099", "some-new-name", "three digits"},
		"one word":         {"WH299", "mars", "hyphens"},
		"upper case name":  {"WH299", "Some-name", "hyphens"},
		"underscore":       {"WH299", "some_name", "hyphens"},
		"double hyphen":    {"WH299", "some--name", "hyphens"},
		"ends in a hyphen": {"WH299", "some-name-", "hyphens"},
		"a path":           {"WH299", "../some-name", "hyphens"},
		"nothing":          {"", "", "three digits"},
	} {
		t.Run(name, func(t *testing.T) {
			err := begin(&bytes.Buffer{}, root, tt.id, tt.name)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if files := list(t, root); len(files) > 0 {
		t.Errorf("written: %q", files)
	}
	if err := begin(&bytes.Buffer{}, filepath.Join(root, "nowhere"), "WH299", "some-new-name"); err == nil || !strings.Contains(err.Error(), "-root") {
		t.Errorf("no repository: %v", err)
	}
}

func TestVariable(t *testing.T) {
	for name, want := range map[string]string{
		"node-port-clash": "NodePortClash", "lb-ip-is-node": "LBIPIsNode", "vip-in-pod-cidr": "VIPInPodCIDR", "two-external-ips": "TwoExternalIPs", "x-2y": "X2y",
	} {
		if got := variable(name); got != want {
			t.Errorf("variable(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestCompilesAndIsRefused puts the new rule's file among the others, and runs
// the test that every rule must pass.
func TestCompilesAndIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the rules")
	}
	root, id := repository(t), free(t)
	if err := begin(&bytes.Buffer{}, root, id, "lb-ip-on-mars"); err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("rules", strings.ToLower(id)+"_lb_ip_on_mars.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, name): filepath.Join(root, name)}})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := filepath.Join(root, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = here
		return cmd.CombinedOutput()
	}
	if out, err := run("vet", "-overlay", overlayFile, "./rules"); err != nil {
		t.Fatalf("it does not compile: %v\n%s", err, out)
	}
	out, err := run("test", "-overlay", overlayFile, "./rules", "-run", "TestEveryRule/"+id)
	if err == nil {
		t.Error("the tests take it as it is")
	}
	for _, want := range []string{"Doc.Problem is empty", "Doc.Refs is empty"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("TestEveryRule does not say %q:\n%s", want, out)
		}
	}
}
