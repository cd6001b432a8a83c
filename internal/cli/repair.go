// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"whohas/check"
	"whohas/diagnose"
	"whohas/internal/console"
	"whohas/kubeproxy"
	"whohas/repair"
	"whohas/repair/heal"
	"whohas/report"
	"whohas/rule"
)

type repairFlags struct {
	hostFlags
	apply, dryRun bool
	printScript   bool
	by            string
	detach        bool
	limit         time.Duration
	undo          string
	undoFile      string
}

func (e *env) repairCommand() *cobra.Command {
	f := &repairFlags{}
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "The way back, in the order that works: as a plan, or done and verified",
		Long: `Repair diagnoses this host as whohas diagnose does, and says what to do about it, here,
at the API and on the other hosts, in the order that works. Without --apply nothing is
done.

With --apply on a host that holds another's address it puts a routing rule that leads
past the local table for that address, and verifies it: the host reaches the owner at
once, whatever kube-proxy puts on its device. Then, where an apiserver answers and
credentials may patch (--kubeconfig, or an admin.conf on this host), it takes the claim
out of the Service, after writing what puts it back into an undo file; what a controller
wrote is left to the controller. It waits until kube-proxy is seen to have learned that
nobody claims the address and has taken it off, takes the rule back, and waits until the
Nodes are Ready. It acts only on an address with evidence that it is another host's, only
on ` + kubeproxy.IPVSDevice + ` or ` + kubeproxy.RouterDevice + `, never on a ClusterIP, never on the owner.

Killed at any moment, over its --limit or told to --detach it leaves a host that works;
run again it goes on from there, and takes the rule back in the end. As long as the rule
stands the host must not be given that address for its own.

With --by hold, and where a rule cannot be put, it takes the address off the device and
keeps it off instead, for as long as kube-proxy puts it back. Killed, that leaves nothing
behind.

Exit status: 0 healed and verified, or nothing to repair, or, with --detach, this host
reaches the owner and the apiserver answers, where it is known; 1 plan shown, or not
healed yet; 2 it could not work.`,
		Example: `  sudo whohas repair                         # the plan
  sudo whohas repair --apply --dry-run       # what would be done, with every condition asked
  sudo whohas repair --apply                 # on each host that holds the address, and on the owner
  sudo whohas repair --apply --detach        # no longer than until the host reaches the owner
  whohas repair --apply --kubeconfig admin.conf
  whohas repair --undo whohas-undo-20230322T101500.json
  sudo whohas repair --print-script > rule.sh   # for hosts where whohas is not`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.repair(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	f.register(flags, repairTimeout)
	flags.Lookup("timeout").Usage = "bounds the diagnosis"
	flags.BoolVar(&f.apply, "apply", false, "do it")
	flags.BoolVar(&f.dryRun, "dry-run", false, "with --apply: show each action and do none")
	flags.StringVar(&f.by, "by", "", "how to heal this host: rule, or hold, which takes the address off again and again (default rule, and hold where a rule cannot be put)")
	flags.BoolVar(&f.detach, "detach", false, "end when the host reaches the owner; run again later, to take the rule back")
	flags.DurationVar(&f.limit, "limit", 10*time.Minute, "how long to wait for kube-proxy, and for the Nodes")
	flags.StringVar(&f.undo, "undo", "", "put back what an earlier run took away, from its undo file")
	flags.StringVar(&f.undoFile, "undo-file", "", "where to keep what was taken away (default whohas-undo-TIME.json)")
	flags.BoolVar(&f.printScript, "print-script", false, "print a sh script that does the same on a host, and needs no more than ip and grep")
	return cmd
}

func (f *repairFlags) validate() error {
	if err := f.combined(); err != nil {
		return err
	}
	switch {
	case f.dryRun && !f.apply:
		return console.WithHint(errors.New("--dry-run without --apply"), "without --apply nothing is done anyway")
	case f.undo != "" && f.apply:
		return console.WithHint(errors.New("--undo with --apply"), "one after the other")
	case f.limit <= 0:
		return console.WithHint(fmt.Errorf("--limit %v: no time to do anything", f.limit), "like 10m")
	case f.apply && len(f.bundles)+len(f.files)+len(f.kustomize) > 0:
		return console.WithHint(errors.New("--apply with files: a captured host cannot be repaired"), "run it on the host itself, without --bundle and -f")
	}
	return f.inputs.validate()
}

// combined refuses flags that would change nothing beside the others.
func (f *repairFlags) combined() error {
	if f.undo != "" {
		return alone(f.flags, "undo", "it reads its file and the cluster, and nothing else", append(connection, "live", "root", "timeout", "no-probe", "apply")...)
	}
	if f.printScript {
		if x := anyOf(f.flags, "output", "apply", "dry-run", "limit", "undo-file", "by", "detach"); x != "" {
			return console.WithHint(fmt.Errorf("--print-script with --%s", x), "the script goes to stdout, and nothing is done")
		}
	}
	switch {
	case !slices.Contains([]string{"", string(heal.ByRule), string(heal.ByHold)}, f.by):
		return console.WithHint(fmt.Errorf("--by %q", f.by), "rule, or hold")
	case f.detach && f.by == string(heal.ByHold):
		return console.WithHint(errors.New("--detach with --by hold"), "nobody would keep the address off")
	case f.detach && f.flags.Changed("limit"):
		return console.WithHint(errors.New("--detach with --limit"), "it does not wait")
	}
	if x := anyOf(f.flags, "by", "detach", "limit", "undo-file"); x != "" && !f.apply {
		return console.WithHint(fmt.Errorf("--%s without --apply", x), "without --apply nothing is done")
	}
	return nil
}

func (e *env) repair(ctx context.Context, f *repairFlags) error {
	outputs, err := parseOutputs(f.outputs, report.RepairFormats())
	if err != nil {
		return err
	}
	if err := f.validate(); err != nil {
		return err
	}
	if f.undo != "" {
		return e.undo(ctx, f)
	}
	if err := f.effective(f.named()); err != nil {
		return err
	}
	judging, release, x, err := e.examine(ctx, &f.hostFlags)
	defer func() { release() }()
	if err != nil {
		return err
	}
	seen := x.Seen
	d := diagnose.Run(seen)
	if d.Cause == nil {
		if d.Cause = ofCluster(f, seen); d.Cause != nil {
			d.Title = d.Cause.Title
		}
	}
	plan := repair.Make(seen, d)
	if f.printScript {
		return e.script(judging, plan)
	}
	if f.apply && !x.whole {
		return errors.New("nothing was done: not all that --require asks for was read")
	}
	r := &report.Repair{Plan: plan, Tool: console.Version(), Coverage: check.Coverage(seen.Snapshot, seen.View, seen.Facts), Applied: f.apply, DryRun: f.dryRun}
	if f.apply {
		release() // --timeout bounds the diagnosis
		e.end.during("repairing")
		err = e.apply(ctx, f, seen, r, quietOutput(outputs))
		judging, release = e.end.begin(context.WithoutCancel(ctx), &f.inputs, f.until()) // what was done is told, interrupted or not
	}
	if e.status = repairStatus(d, r, seen.Snapshot.Failed() || !x.whole); err != nil {
		e.status = exitFailed // it could not work
	}
	unwritten := writeAll(judging, e, outputs, report.RepairFormats(), r)
	return cmp.Or(e.end.ended(judging), joined([]error{err, unwritten}))
}

// ofCluster is the worst takeover in a cluster that was named: whoever repairs it from
// his own desk is on none of its hosts.
func ofCluster(f *repairFlags, seen diagnose.Seen) *rule.Finding {
	if !f.named() {
		return nil
	}
	for i := range seen.Result.Findings {
		if x := &seen.Result.Findings[i]; x.Severity == rule.Critical && x.Address().IsValid() && x.Rule.Outage.Repairable() {
			return x
		}
	}
	return nil
}

// repairTimeout bounds what is asked before a repair: an apiserver that has just come
// back may take its time to tell which Service it is.
const repairTimeout = 15 * time.Second

// repairStatus is the exit status; blind: not everything could be read.
func repairStatus(d diagnose.Diagnosis, r *report.Repair, blind bool) int {
	switch {
	case r.Healed, r.Detached, d.Cause == nil && len(r.Standing) == 0 && d.Verdict != diagnose.Unknown && !blind:
		return exitOK
	case d.Cause == nil && len(r.Standing) == 0:
		return exitFailed
	}
	return exitFindings
}

// script needs an address to write about.
func (e *env) script(ctx context.Context, plan repair.Plan) error {
	if !plan.Address.IsValid() {
		return console.WithHint(errors.New("no address to write a script about: "+plan.Title), "--owner ADDRESS names one that this host holds and that is another's")
	}
	return through(ctx, e.Stdout, func(w io.Writer) error {
		_, err := io.WriteString(w, repair.Script(plan))
		return err
	})
}

// quietOutput reports whether stdout is for a script.
func quietOutput(outputs []output) bool {
	for _, o := range outputs {
		if o.file == "" && o.format != "text" {
			return true
		}
	}
	return false
}
