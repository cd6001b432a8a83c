// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// pagesOf are the commands that have a page: all that people are to see.
func pagesOf(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, pagesOf(c)...)
		}
	}
	return all
}

// name is a page's: "kubectl-whohas-check" is the page of "kubectl whohas check".
func name(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page is a man page (man(7)). cobra/doc's is not used: it reads a help text as Markdown,
// where a hand-wrapped list becomes one paragraph and <a node's address> nothing at all.
func page(cmd *cobra.Command, release, date string) string {
	var r roff
	r.line(fmt.Sprintf(`.TH %s 1 %s "%s %s" whohas`, text(strings.ToUpper(name(cmd))), date, text(cmd.Root().Name()), text(release)))
	r.section("NAME")
	r.line(name(cmd) + ` \- ` + text(cmd.Short))
	r.section("SYNOPSIS")
	r.macro("B", cmd.CommandPath())
	if rest := strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath()); rest != "" {
		r.prose(strings.TrimSpace(rest))
	}
	r.section("DESCRIPTION")
	r.prose(long(cmd))
	r.commands(cmd)
	r.flags("OPTIONS", cmd.NonInheritedFlags())
	r.flags("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	if cmd.Example != "" {
		r.section("EXAMPLES")
		r.asItStands(dedent(cmd.Example))
	}
	r.related(cmd)
	return r.String()
}

func long(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return cmd.Long
	}
	return strings.TrimSuffix(cmd.Short, ".") + "."
}

// commands lists what stands below a command.
func (r *roff) commands(cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	r.section("COMMANDS")
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			r.macro("TP")
			r.line(`\fB` + text(c.Name()) + `\fR`)
			r.line(text(c.Short))
		}
	}
}

func (r *roff) flags(title string, flags *pflag.FlagSet) {
	begun := false
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		if !begun {
			begun = true
			r.section(title)
		}
		value, usage := pflag.UnquoteUsage(f)
		r.macro("TP")
		r.line(flagName(f, value))
		r.line(text(usage + defaultOf(f)))
	})
}

func flagName(f *pflag.Flag, value string) string {
	s := `\fB` + text("--"+f.Name) + `\fR`
	if f.Shorthand != "" {
		s = `\fB` + text("-"+f.Shorthand) + `\fR, ` + s
	}
	if value != "" {
		s += ` \fI` + text(value) + `\fR`
	}
	return s
}

// defaultOf is what a flag's help says in parentheses.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "0", "0s", "false", "[]", "<nil>":
		return ""
	}
	return fmt.Sprintf(" (default %s)", f.DefValue)
}

// related are the pages above and below.
func (r *roff) related(cmd *cobra.Command) {
	var names []string
	if cmd.HasParent() {
		names = append(names, name(cmd.Parent()))
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, name(c))
		}
	}
	if len(names) == 0 {
		return
	}
	r.section("SEE ALSO")
	for i, n := range names {
		end := " (1),"
		if i == len(names)-1 {
			end = " (1)"
		}
		r.line(".BR " + text(n) + end)
	}
}
