// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"testing"

	"github.com/spf13/cobra"
)

// set makes the test binary say what a release build says.
func set(t *testing.T, v, c, d string) {
	old := [3]string{version, commit, date}
	t.Cleanup(func() { version, commit, date = old[0], old[1], old[2] })
	version, commit, date = v, c, d
}

func TestAbout(t *testing.T) {
	for _, tt := range []struct{ version, commit, date, want string }{
		{"v1.2.3", "0123abc", "2026-12-01T07:37:48Z", "x v1.2.3 (commit 0123abc, 2026-12-01T07:37:48Z)"},
		{"v1.2.3", "0123abc", "", "x v1.2.3 (commit 0123abc)"},
	} {
		set(t, tt.version, tt.commit, tt.date)
		if got := About("x"); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestWithVersion: command and flag say the same line.
func TestWithVersion(t *testing.T) {
	set(t, "v1.2.3", "0123abc", "2026-12-01T07:37:48Z")
	const want = "x v1.2.3 (commit 0123abc, 2026-12-01T07:37:48Z)\n"
	for _, arg := range []string{"version", "--version"} {
		var out bytes.Buffer
		root := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return nil }}
		WithVersion(root, "x", &Console{Stdout: &out})
		Strict(root)
		root.SetOut(&out)
		root.SetArgs([]string{arg})
		if err := root.Execute(); err != nil || out.String() != want {
			t.Errorf("%s: %q, %v; want %q", arg, out.String(), err, want)
		}
	}
}
