// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"whohas/command"
	"whohas/internal/console"
	"whohas/rule"
	"whohas/rules"
)

func (e *env) rulesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rules [ID|NAME]",
		Short: "The catalogue of findings, or one rule's documentation",
		Example: `  whohas rules
  whohas rules WH101`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return ruleNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listRules(e.Stdout)
			}
			r := rules.Find(args[0])
			if r == nil {
				return console.WithHint(fmt.Errorf("no rule %q", args[0]), "whohas rules lists them")
			}
			return describeRule(e.Stdout, e.Name, r)
		},
	}
}

func listRules(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tNAME\tSEVERITY\tPROBLEM")
	for _, r := range rules.All() {
		problem, _, _ := strings.Cut(r.Doc.Problem, ": ")
		fmt.Fprintf(t, "%s\t%s\tup to %s\t%s\n", r.ID, r.Name, r.Severity, firstSentence(problem))
	}
	return t.Flush()
}

func firstSentence(s string) string {
	if i := strings.Index(s, ". "); i >= 0 {
		return s[:i+1]
	}
	return s
}

func describeRule(w io.Writer, program string, r *rule.Rule) error {
	text := fmt.Sprintf("%s %s (up to %s)\n\nproblem\n  %s\n\neffect\n  %s\n\nwhy\n  %s\n\nfix\n  %s\n\nsince\n  %s\n\nsee\n  %s\n",
		r.ID, r.Name, r.Severity, r.Doc.Problem, r.Doc.Effect, r.Doc.Why, r.Doc.Fix, r.Doc.Since, strings.Join(r.Doc.Refs, "\n  "))
	_, err := io.WriteString(w, command.As(program, text))
	return err
}
