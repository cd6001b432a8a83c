// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"whohas/check"
	"whohas/claim"
	"whohas/internal/config"
	"whohas/internal/console"
	"whohas/report"
	"whohas/rule"
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
		Use:   "who ADDR|CIDR|FROM-TO|OBJECT...",
		Short: "Everyone who claims an address or range",
		Long: `Who lists every claim that touches an address or range: whose it is, where it
stands, on which nodes it is effective, and the verdict: unclaimed in what was
read, owned, shared by agreement, or contested.

Of an object, as demo/tomcat, svc/tomcat or node/cdev01, it answers for each
address that the object claims.

With --free it proposes addresses of the range that nobody claims, for a new
external address or pool, with what was taken into account and what no object
can show.

Exit status: 1 if an address is contested, else 2 if something could not be
read, else 0.`,
		Example: `  whohas who 192.168.10.114
  whohas 192.168.10.0/24 --bundle cluster.snapshot
  whohas svc/tomcat -n demo                       # or demo/tomcat
  whohas who --free 192.168.10.0/24 -f manifests/ -R`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.who(cmd, f, args) },
	}
	f.register(cmd)
	return cmd
}

func (e *env) who(cmd *cobra.Command, f *whoFlags, args []string) error {
	asked, err := f.parseAsked(args)
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
	r := &report.Who{Tool: console.Version(), Facts: w.facts}
	if r.Objects, err = asked.find(w); err != nil {
		e.settle(&f.inputs, w)
		return err
	}
	e.answer(ctx, r, w, cfg, f, asked)
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

// asked is what a question is about.
type asked struct {
	ranges []claim.Range
	names  []who.Name
	texts  []string // of the names, as they were given
}

func (f *whoFlags) parseAsked(args []string) (asked, error) {
	var a asked
	keep, err := check.Reads()
	if err != nil {
		return a, err
	}
	for _, text := range args {
		r, err := claim.ParseRange(text)
		if err == nil {
			a.ranges = append(a.ranges, r)
			continue
		}
		if !strings.Contains(text, "/") || isAddress(text) {
			return a, console.WithHint(err, "an address, a CIDR, FROM-TO, or an object: demo/tomcat, svc/tomcat, node/cdev01")
		}
		name, err := who.ParseName(text, f.kube.Overrides.Context.Namespace, keep.Kinds())
		if err != nil {
			return a, console.WithHint(err, "NAMESPACE/NAME, KIND/NAME or KIND/NAMESPACE/NAME: demo/tomcat, svc/tomcat, node/cdev01")
		}
		a.names, a.texts = append(a.names, name), append(a.texts, text)
	}
	if len(a.names) > 0 && f.free {
		return a, console.WithHint(fmt.Errorf("--free %s", a.texts[0]), "it proposes addresses of a range: give that")
	}
	f.everywhere = f.everywhere || len(a.names) > 0
	return a, nil
}

// isAddress reports whether what stands before the first slash is an address.
func isAddress(text string) bool {
	before, _, _ := strings.Cut(text, "/")
	_, err := netip.ParseAddr(before)
	return err == nil
}

// find finds the objects that are asked about. One that is nowhere is an error: a
// question about nothing has no answer.
func (a *asked) find(w *world) ([]who.Object, error) {
	var found []who.Object
	for i, n := range a.names {
		objects := who.Named(n, w.register, w.snapshot)
		if len(objects) == 0 {
			return nil, console.WithHint(fmt.Errorf("%s: no such object was read", a.texts[i]), "NAMESPACE/NAME, KIND/NAME or KIND/NAMESPACE/NAME, of what the inputs hold")
		}
		found = append(found, objects...)
	}
	seen := map[claim.Range]bool{}
	for _, r := range a.ranges {
		seen[r] = true
	}
	for _, o := range found {
		for _, r := range o.Asked() {
			if !seen[r] {
				seen[r] = true
				a.ranges = append(a.ranges, r)
			}
		}
	}
	return found, nil
}

// answer fills in the answers.
func (e *env) answer(ctx context.Context, r *report.Who, w *world, cfg *config.Config, f *whoFlags, a asked) {
	r.Coverage = check.Coverage(w.snapshot, w.register, w.facts)
	r.Complete = (&report.Report{Coverage: r.Coverage}).Complete()
	if f.free {
		for _, one := range a.ranges {
			r.Free = append(r.Free, who.FreeIn(one, f.most, w.register, w.facts))
		}
		return
	}
	findings := check.Run(e.checkInput(ctx, w, cfg, rules.All())).Findings
	at := map[netip.Addr][]rule.Finding{} // an object may have thousands of addresses: each is told of its own findings
	for _, f := range findings {
		if ip := f.Address(); ip.IsValid() {
			at[ip] = append(at[ip], f)
		}
	}
	for _, one := range a.ranges {
		of := findings
		if one.IsSingle() {
			of = at[one.From]
		}
		r.Answers = append(r.Answers, who.Of(one, w.register, w.facts, of)...)
	}
}
