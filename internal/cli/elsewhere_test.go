// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"whohas/internal/console"
)

// TestElsewhere: what looks at this host says at once that it needs Linux; what reads
// files works.
func TestElsewhere(t *testing.T) {
	run := func(args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		e := &env{Console: console.Console{Program: "whohas", Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr}, now: time.Now, end: newEnding(), os: "windows"}
		status := e.run(t.Context(), append([]string{"whohas"}, args...))
		return status, stdout.String(), stderr.String()
	}
	for _, line := range []string{"diagnose", "repair", "repair --apply", "repair -f ../../examples/incident", "repair --print-script --owner 192.0.2.1", "shield", "shield --status", "shield --apply", "shield --watch", "shield --remove", "snapshot --host -o -"} {
		status, stdout, stderr := run(strings.Fields(line)...)
		if status != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "whohas: error: this host runs windows, and only a Linux host can be looked at\nwhohas: hint: ") {
			t.Errorf("%s: status %d, %q, %q", line, status, stdout, stderr)
		}
	}
	for line, want := range map[string]int{"check -f ../../examples/incident": exitFindings, "snapshot --print-script": exitOK, "diagnose --bundle ../../lab/recorded/incident-1.36/during.snapshot --node cdev02": exitFindings} {
		status, _, stderr := run(strings.Fields(line)...)
		if status != want || strings.Contains(stderr, "only a Linux host") {
			t.Errorf("%s: status %d, %q", line, status, stderr)
		}
	}
}
