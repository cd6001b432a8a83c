// SPDX-License-Identifier: Apache-2.0

package console

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// What a release build sets (tools/dist, tools/image: -ldflags -X). Of a plain build the go
// command knows as much, where the repository is a git checkout.
var version, commit, date string

// Version is the release, or what stands for it between two.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// About is one line: the program, its release, and the commit with its date. What is not
// known of the commit is left out.
func About(program string) string {
	text := program + " " + Version()
	commit, date := commit, date
	if info, ok := debug.ReadBuildInfo(); ok && commit == "" {
		commit, date = setting(info, "vcs.revision"), cmp.Or(date, setting(info, "vcs.time"))
	}
	if commit == "" {
		return text
	}
	return text + " (" + strings.TrimSuffix("commit "+commit+", "+date, ", ") + ")"
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// WithVersion gives a program's root the command version and the flag --version, which
// print the same line. Cobra's own flag, with a template for that line, would keep
// text/template in the program, and with it every method of every type (18 MB).
func WithVersion(root *cobra.Command, program string, c *Console) {
	say := func() error {
		_, err := fmt.Fprintln(c.Stdout, About(program))
		return err
	}
	asked := root.Flags().Bool("version", false, "print the release, the commit and its date")
	run := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *asked {
			return say()
		}
		return run(cmd, args)
	}
	root.AddCommand(&cobra.Command{
		Use:     "version",
		Short:   "Print the release, the commit and its date",
		Example: "  " + program + " version",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return say() },
	})
}
