// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateReadme = flag.Bool("update", false, "rewrite the README's output")

// TestReadme keeps the output in the README what the command prints.
func TestReadme(t *testing.T) {
	t.Chdir("../..")
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	const command = "go run ./cmd/whohas check -f examples/incident\n```\n\n```\n"
	before, rest, ok := strings.Cut(string(text), command)
	if !ok {
		t.Fatal("README.md has no output under its first command")
	}
	_, after, ok := strings.Cut(rest, "\n```\n")
	if !ok {
		t.Fatal("the output in README.md does not end")
	}
	var out, errs bytes.Buffer
	if status := Main([]string{"whohas", "check", "-f", "examples/incident"}, strings.NewReader(""), &out, &errs); status != exitFindings {
		t.Fatalf("exit status %d: %s", status, errs.String())
	}
	want := before + command + strings.TrimSuffix(out.String(), "\n") + "\n```\n" + after
	if *updateReadme {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), want); diff != "" {
		t.Errorf("README.md is stale (go test ./internal/cli -run Readme -update):\n%s", diff)
	}
}
