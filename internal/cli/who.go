// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"whohas/check"
	"whohas/claim"
	"whohas/internal/config"
	"whohas/internal/console"
	"whohas/report"
	"whohas/rules"
	"whohas/who"
)

type whoFlags struct {
	inputs
	outputs []string
	free    bool
	most    int
}

func (f *whoFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.registerJudged(flags)
	f.registerComplete(flags)
	flags.StringArrayVarP(&f.outputs, "output", "o", nil, outputUsage(report.WhoFormats()))
	flags.BoolVar(&f.free, "free", false, "propose addresses of the range that nobody claims")
	flags.IntVar(&f.most, "most", 10, "how many addresses --free proposes")
}

func (e *env) whoCommand() *cobra.Command {
	f := &whoFlags{}
	cmd := &cobra.Command{
		Use:   "who ADDR|CIDR|FROM-TO...",
		Short: "Everyone who claims an address or range",
		Long: `Who lists every claim that touches an address or range: whose it is, where it
stands, on which nodes it is effective, and the verdict: unclaimed in what was
read, owned, shared by agreement, or contested.

With --free it proposes addresses of the range that nobody claims, for a new
external address or pool, with what was taken into account and what no object
can show.

Exit status: 1 if an address is contested, else 2 if something could not be
read, else 0.`,
		Example: `  whohas who 192.168.10.114
  whohas 192.168.10.0/24 --bundle cluster.snapshot
  whohas who --free 192.168.10.0/24 -f manifests/ -R`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.who(cmd, f, args) },
	}
	f.register(cmd)
	return cmd
}

func (e *env) who(cmd *cobra.Command, f *whoFlags, args []string) error {
	asked, err := parseAsked(args)
	if err != nil {
		return err
	}
	if err := f.validate(); err != nil {
		return err
	}
	if err := f.effective(f.sources().live); err != nil {
		return err
	}
	if f.flags.Changed("most") && !f.free {
		return console.WithHint(errors.New("--most without --free"), "it says how many addresses --free proposes")
	}
	if f.most <= 0 {
		return fmt.Errorf("--most %d: that proposes nothing", f.most)
	}
	outputs, err := parseOutputs(f.outputs, report.WhoFormats())
	if err != nil {
		return err
	}
	cfg, err := config.Load(f.config)
	if err != nil {
		return err
	}
	ctx, release := e.end.begin(cmd.Context(), &f.inputs, f.until())
	defer release()
	w, err := e.gather(ctx, &f.inputs, cfg)
	if err := cmp.Or(e.end.ended(ctx), err); err != nil {
		return err
	}
	r := e.answers(ctx, w, cfg, f, asked)
	if err := e.end.ended(ctx); err != nil {
		return err
	}
	unwritten := writeAll(ctx, e, outputs, report.WhoFormats(), r)
	if err := e.end.ended(ctx); err != nil {
		return err
	}
	e.settle(&f.inputs, w)
	if r.Contested() {
		e.status = exitFindings
	}
	return unwritten
}

func parseAsked(args []string) ([]claim.Range, error) {
	var asked []claim.Range
	for _, a := range args {
		r, err := claim.ParseRange(a)
		if err != nil {
			return nil, console.WithHint(err, "an address, a CIDR, or FROM-TO")
		}
		asked = append(asked, r)
	}
	return asked, nil
}

func (e *env) answers(ctx context.Context, w *world, cfg *config.Config, f *whoFlags, asked []claim.Range) *report.Who {
	coverage := check.Coverage(w.snapshot, w.register, w.facts)
	r := &report.Who{Tool: console.Version(), Coverage: coverage, Facts: w.facts, Complete: (&report.Report{Coverage: coverage}).Complete()}
	if f.free {
		for _, a := range asked {
			r.Free = append(r.Free, who.FreeIn(a, f.most, w.register, w.facts))
		}
		return r
	}
	findings := check.Run(e.checkInput(ctx, w, cfg, rules.All())).Findings
	for _, a := range asked {
		r.Answers = append(r.Answers, who.Of(a, w.register, w.facts, findings)...)
	}
	return r
}
