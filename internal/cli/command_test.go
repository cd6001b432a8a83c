// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"whohas/internal/console"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestEveryCommand: whoever asks for help is told what a command is for, how it
// is called, with an example, and what each flag does.
func TestEveryCommand(t *testing.T) {
	e := &env{Console: console.Console{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard}}
	seen := 0
	var each func(c *cobra.Command, path []string)
	each = func(c *cobra.Command, path []string) {
		seen++
		t.Run(strings.Join(path, " "), func(t *testing.T) { testCommand(t, c, path) })
		for _, sub := range c.Commands() {
			if sub.Hidden { // it says where something went
				continue
			}
			each(sub, append(slices.Clone(path), sub.Name()))
		}
	}
	each(e.root(), []string{"whohas"})
	if seen < 6 {
		t.Errorf("%d commands seen", seen)
	}
}

func testCommand(t *testing.T, c *cobra.Command, path []string) {
	var out, errs bytes.Buffer
	if status := Main(append(slices.Clone(path), "--help"), strings.NewReader(""), &out, &errs); status != exitOK {
		t.Errorf("--help: exit status %d: %s", status, &errs)
	}
	help := out.String()
	if errs.Len() > 0 {
		t.Errorf("--help writes to stderr: %s", &errs)
	}
	if c.Short == "" || !strings.Contains(help, "Usage:") || !strings.Contains(help, strings.Join(path, " ")) {
		t.Errorf("help without purpose or usage:\n%s", help)
	}
	if c.Example == "" || !strings.Contains(help, "Examples:\n"+c.Example) {
		t.Errorf("help without an example:\n%s", help)
	}
	for line := range strings.SplitSeq(c.Example, "\n") {
		if !strings.Contains(line, "whohas ") && strings.TrimSpace(line) != "" {
			t.Errorf("an example without whohas: %q", line)
		}
	}
	testExamples(t, c)
	c.Flags().VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Usage == "":
			t.Errorf("--%s says nothing of itself", f.Name)
		case !f.Hidden && !strings.Contains(help, "--"+f.Name+" "):
			t.Errorf("help lacks --%s:\n%s", f.Name, help)
		}
	})
}

// testExamples: the flags of an example are there.
func testExamples(t *testing.T, c *cobra.Command) {
	t.Helper()
	for line := range strings.SplitSeq(c.Example, "\n") {
		command, _, _ := strings.Cut(line, "#")
		_, args, _ := strings.Cut(command, "whohas ")
		words := strings.Fields(args)
		target, rest, err := (&env{}).root().Find(words) // which has not been told anything yet
		if err != nil {
			t.Errorf("%q: %v", line, err)
			continue
		}
		if err := target.ParseFlags(rest); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestOwnFlagsAreSeen: kubectl's many connection flags work, and do not bury ours.
func TestOwnFlagsAreSeen(t *testing.T) {
	e := &env{Console: console.Console{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard}}
	check, _, err := e.root().Find([]string{"check"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"filename", "recursive", "kustomize", "bundle", "base", "live", "proxy-mode", "timeout", "require", "config",
		"output", "fail-on", "rule", "no-inline-allow", "kubeconfig", "context", "namespace"} {
		if f := check.Flags().Lookup(name); f == nil || f.Hidden {
			t.Errorf("--%s is missing or hidden", name)
		}
	}
	for _, name := range []string{"server", "token", "as", "certificate-authority", "insecure-skip-tls-verify", "request-timeout"} {
		if f := check.Flags().Lookup(name); f == nil || !f.Hidden {
			t.Errorf("--%s is missing or not hidden", name)
		}
	}
}

// TestNotesAreOneLine: the name of a file in a pull request is the words of a
// stranger. On stderr of a CI job a line that begins with :: is a command.
func TestNotesAreOneLine(t *testing.T) {
	const name = "a\n::add-mask::b\x1b[2J\u202e.yaml"
	for _, args := range [][]string{
		{"check", "-f", name},
		{"check", "--bundle", name},
		{"check", "-k", name},
		{"check", "--base", name, "-f", incident},
		{"check", "-f", incident, "--config", name},
		{"check", "-f", incident, "-o", "json=" + name + "/x", "-o", "text=" + name + "/y"},
		{"check", "--kubeconfig", name},
		{"check", "-f", incident, "--live", "--kubeconfig", name},
		{"snapshot", "-f", incident, "-o", name + "/x"},
		{name},
		{"who", name},
		{"rules", name},
		{"check", name},
		{"check", "--" + name},
	} {
		_, _, stderr := run(t, args...)
		if !strings.Contains(stderr, "add-mask") {
			t.Errorf("%q: the name is not there: %q", args, stderr)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(stderr, "\n"), "\n") {
			if !strings.HasPrefix(line, "whohas: ") || strings.ContainsAny(line, "\x1b\u202e") {
				t.Errorf("%q: %q", args, line)
			}
		}
	}
}
