// SPDX-License-Identifier: Apache-2.0

package guardcli

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/pflag"
)

// TestMain lets the test binary be whohas-guard when it is called by that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"whohas-guard": func() { os.Exit(Main(os.Args, os.Stdin, os.Stdout, os.Stderr)) }})
}

// TestScript runs the command line as a cluster's manifest does, up to where an
// apiserver would be asked. What follows is shown by deploy, guard/server and
// guard/certificate.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true})
}

// TestStatus: what fails has the status that the command line of whohas has for it.
func TestStatus(t *testing.T) {
	for _, args := range [][]string{{"serve", "--reports", "other"}, {"serve", "more"}, {"certify", "more"}, {"unknown"}, {"serve", "--unknown"}} {
		var stdout, stderr bytes.Buffer
		if got := Main(append([]string{"whohas-guard"}, args...), nil, &stdout, &stderr); got != 2 || stdout.Len() > 0 || stderr.Len() == 0 {
			t.Errorf("%q: status %d, stdout %q, stderr %q", args, got, &stdout, &stderr)
		}
	}
}

// TestHelp: each command says what it is for, with examples whose flags are there, and
// what each flag does.
func TestHelp(t *testing.T) {
	root := Commands()
	for _, c := range append(root.Commands(), root) {
		if c.Short == "" || c != root && c.Example == "" {
			t.Errorf("%s: no purpose, or no example", c.CommandPath())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s says nothing of itself", c.CommandPath(), f.Name)
			}
		})
		for line := range strings.Lines(c.Example) {
			line, _, _ = strings.Cut(line, "#")
			words := strings.Fields(line)
			target, rest, err := Commands().Find(words[1:]) // which has not been told anything yet
			if err != nil || words[0] != root.Name() || target.ParseFlags(rest) != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	}
}
