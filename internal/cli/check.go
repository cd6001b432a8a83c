// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"whohas/check"
	"whohas/internal/config"
	"whohas/internal/console"
	"whohas/report"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
)

type checkFlags struct {
	inputs
	outputs       []string
	failOn        string
	noInlineAllow bool
	only          []string
}

func (e *env) checkCommand() *cobra.Command {
	f := &checkFlags{}
	cmd := &cobra.Command{
		Use:   "check [PATH...]",
		Short: "Find conflicts in everything that is read",
		Long: `Check reads manifests, dumps, snapshots or a live cluster, registers who claims
each address, and reports which claims collide, what each collision does to the
nodes, since when and by whom, and what to do, in which order.

Manifests alone hold no Nodes. In a pipeline, take a snapshot of the cluster now
and then and check changes against it with --base: only what a change makes
worse is reported.

Exit status: 1 if findings reach --fail-on, else 2 if something could not be
read, else 0.`,
		Example: `  whohas check                                      # the current kubectl context
  whohas check manifests/ -R                        # files and folders, as with -f
  whohas check -f manifests/ -R -o sarif=out.sarif  # text to stdout, SARIF to a file
  whohas check --base cluster.snapshot -f change.yaml
  kubectl get nodes,svc -A -o json | whohas check -f -`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.paths(args); err != nil {
				return err
			}
			return e.check(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	f.registerJudged(flags)
	f.registerComplete(flags)
	flags.StringArrayVar(&f.base, "base", nil, "what exists already (snapshot, dump, files): report only what the other inputs make worse")
	flags.StringArrayVarP(&f.outputs, "output", "o", nil, outputUsage(report.Formats()))
	flags.StringVar(&f.failOn, "fail-on", "error", "exit 1 from this severity on: info, warning, error, critical, or never")
	flags.BoolVar(&f.noInlineAllow, "no-inline-allow", false, "do not trust whohas.io/allow annotations in what is read")
	flags.StringSliceVar(&f.only, "rule", nil, "only these rules, by ID or name")
	return cmd
}

func (e *env) check(ctx context.Context, f *checkFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	if err := f.effective(f.sources().live); err != nil {
		return err
	}
	outputs, err := parseOutputs(f.outputs, report.Formats())
	if err != nil {
		return err
	}
	threshold, err := parseFailOn(f.failOn)
	if err != nil {
		return err
	}
	list, err := chosenRules(f.only)
	if err != nil {
		return err
	}
	cfg, err := e.gatingConfig(f)
	if err != nil {
		return err
	}
	ctx, release := e.end.begin(ctx, &f.inputs, f.until())
	defer release()
	w, res, err := e.checkWorld(ctx, f, cfg, list)
	if err := cmp.Or(e.end.ended(ctx), err); err != nil {
		return err
	}
	r := newReport(w.world, res, len(f.base) > 0)
	err = writeAll(ctx, e, outputs, report.Formats(), r)
	if ended := e.end.ended(ctx); ended != nil {
		return ended
	}
	e.settleBy(&f.inputs, w.world, w.required)
	if worst, ok := r.Worst(); ok && worst >= threshold {
		e.status = exitFindings
	}
	return err
}

// checked is the world that a report is about, and the one that must hold what
// --require asks for: where there is a base, the base.
type checked struct{ world, required *world }

// checkWorld reads the inputs and checks them, against the base if there is one.
func (e *env) checkWorld(ctx context.Context, f *checkFlags, cfg *config.Config, list []*rule.Rule) (checked, check.Result, error) {
	into := e.end.builder()
	if len(f.base) > 0 {
		if err := e.read(ctx, &f.inputs, f.baseSources(), into); err != nil {
			return checked{}, check.Result{}, err
		}
	}
	w, err := e.gather(ctx, &f.inputs, cfg)
	if err != nil {
		return checked{}, check.Result{}, err
	}
	if len(f.base) == 0 {
		in := e.checkInput(ctx, w, cfg, list)
		return checked{w, w}, check.Finish(in, check.Run(in), e.allows(f, cfg, w.snapshot, nil), e.now()), nil
	}
	mode, from, err := f.override(cfg)
	if err != nil {
		return checked{}, check.Result{}, err
	}
	base := into.Snapshot()
	e.end.during("asking the rules")
	c := check.Compare(base, w.snapshot, check.Terms{Mode: mode, ModeFrom: from, Declared: cfg.Reserved, Rules: list, Severities: cfg.Severities,
		Ended: func() bool { return ctx.Err() != nil }})
	before := &world{snapshot: base, facts: c.Before.Facts, register: c.Before.View}
	after := &world{snapshot: snapshot.Over(base, w.snapshot), facts: c.After.Facts, register: c.After.View}
	return checked{after, before}, check.Finish(c.After, c.Worse, e.allows(f, cfg, after.snapshot, base), e.now()), nil
}

// checkInput is the questions; once ctx is done no more are asked.
func (e *env) checkInput(ctx context.Context, w *world, cfg *config.Config, list []*rule.Rule) check.Input {
	e.end.during("asking the rules")
	return check.Input{Ended: func() bool { return ctx.Err() != nil }, View: w.register, Facts: w.facts, Objects: w.snapshot, Coverage: w.snapshot.Coverage, Rules: list, Severities: cfg.Severities}
}

// allows are the permissions of the configuration and of the objects; where there is
// a base, an object's count as far as the base's object bears them.
func (e *env) allows(f *checkFlags, cfg *config.Config, s, base *snapshot.Snapshot) []rule.Suppression {
	allows := cfg.Suppressions
	switch {
	case f.noInlineAllow:
	case base == nil:
		allows = append(allows, check.ObjectSuppressions(s)...)
	default:
		allows = append(allows, check.SuppressionsOver(base, s)...)
	}
	return allows
}

func newReport(w *world, res check.Result, base bool) *report.Report {
	r := &report.Report{
		Tool: console.Version(), Findings: res.Findings, Hidden: res.Hidden, Coverage: check.Coverage(w.snapshot, w.register, w.facts),
		Facts: w.facts, Objects: w.snapshot.Count(), Addresses: addresses(w), Base: base,
	}
	for _, a := range res.Suppressed {
		r.Suppressed = append(r.Suppressed, report.Suppressed{Finding: a.Finding, Reason: a.By.Reason, Until: a.By.Until, By: a.By.Where()})
	}
	return r
}

// addresses counts the single addresses that somebody claims.
func addresses(w *world) int {
	list := make([]netip.Addr, 0, len(w.snapshot.Pods)+4*len(w.snapshot.Objects))
	for c := range w.register.All() {
		if c.Range.IsSingle() {
			list = append(list, c.Range.From)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return len(slices.Compact(list))
}

// complain names what could not be read, on stderr as well: the report may have
// gone to a file. Of a file full of faults the first few say enough.
func (e *env) complain(s *snapshot.Snapshot) {
	told := map[string]int{}
	for _, c := range s.Coverage {
		if !c.Failed {
			continue
		}
		if told[c.Source]++; told[c.Source] > mostComplaints {
			continue
		}
		place := c.Source
		if c.Line > 0 {
			place = fmt.Sprintf("%s:%d", c.Source, c.Line)
		}
		e.Note("error: %s: %s", place, c.Detail)
		if c.Source == "cluster" {
			e.Hint(hintSources)
		} else if info, err := os.Stat(c.Source); err == nil && c.Detail == "binary file" && isSnapshot(c.Source, info) {
			e.Hint("a snapshot is read with --bundle")
		}
	}
	for _, source := range slices.Sorted(maps.Keys(told)) {
		if more := told[source] - mostComplaints; more > 0 {
			e.Note("error: %s: %d more faults (-o json lists them)", source, more)
		}
	}
}

const mostComplaints = 10 // about one source

// never is above every severity.
const never = rule.Critical + 1

func parseFailOn(text string) (rule.Severity, error) {
	if text == "never" {
		return never, nil
	}
	s, err := rule.ParseSeverity(text)
	if err != nil {
		return s, console.WithHint(fmt.Errorf("--fail-on: %w", err), "info, warning, error, critical, or never")
	}
	return s, nil
}

func chosenRules(names []string) ([]*rule.Rule, error) {
	if len(names) == 0 {
		return rules.All(), nil
	}
	var list []*rule.Rule
	for _, n := range names {
		r := rules.Find(n)
		if r == nil {
			return nil, console.WithHint(fmt.Errorf("--rule %q: no such rule", n), "whohas rules lists them")
		}
		list = append(list, r)
	}
	return list, nil
}

// output is one -o: a format, and where it goes ("" is stdout).
type output struct{ format, file string }

// outputUsage is the help of -o.
func outputUsage[D any](formats []report.Format[D]) string {
	names := namesOf(formats)
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last] + "; FORMAT=FILE writes to a file; repeatable (default text)"
}

func namesOf[D any](formats []report.Format[D]) []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return names
}

// parseOutputs reads what -o says of a document that can be written in these formats.
func parseOutputs[D any](texts []string, formats []report.Format[D]) ([]output, error) {
	known := namesOf(formats)
	if len(texts) == 0 {
		return []output{{format: "text"}}, nil
	}
	var out []output
	stdout := 0
	for _, t := range texts {
		format, file, toFile := strings.Cut(t, "=")
		if !slices.Contains(known, format) {
			return nil, console.WithHint(fmt.Errorf("-o %q: no such format", t), "one of %s", strings.Join(known, ", "))
		}
		if toFile && file == "" {
			return nil, fmt.Errorf("-o %q: no file after =", t)
		}
		if file == "-" { // as everywhere
			toFile, file = false, ""
		}
		if !toFile {
			stdout++
		}
		out = append(out, output{format, file})
	}
	if stdout > 1 {
		return nil, console.WithHint(fmt.Errorf("-o: more than one format for stdout"), "write the others to files: -o json=FILE")
	}
	if stdout == 0 {
		out = append(out, output{format: "text"})
	}
	return out, nil
}

// writeAll writes every output that it can.
func writeAll[D any](ctx context.Context, e *env, outputs []output, formats []report.Format[D], document D) error {
	var errs []error
	for _, o := range outputs {
		f := formats[slices.IndexFunc(formats, func(f report.Format[D]) bool { return f.Name == o.format })]
		errs = append(errs, e.writeOutput(ctx, o, func(w io.Writer) error {
			width, _ := terminal(w)
			return f.Write(report.TextOptions{Width: width, Color: color(w), Program: e.Name})(w, document)
		}))
	}
	return joined(errs)
}

// joined is errors.Join on one line.
func joined(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	err := errs[0]
	for _, more := range errs[1:] {
		err = fmt.Errorf("%w; %w", err, more)
	}
	return err
}

// writeOutput writes an output to where it goes, while ctx lasts.
func (e *env) writeOutput(ctx context.Context, o output, write func(io.Writer) error) error {
	if o.file == "" {
		e.end.during("writing to stdout")
		return through(ctx, e.Stdout, write)
	}
	e.end.during("writing " + o.file)
	if err := e.writeFile(ctx, o.file, write); err != nil {
		return fmt.Errorf("write report %s: %w", o.file, err)
	}
	return nil
}
