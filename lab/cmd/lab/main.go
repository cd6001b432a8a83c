// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command lab runs the lab's scenarios: see docs/lab.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"whohas/lab"
	"whohas/lab/guest"
	"whohas/lab/kernel"
	"whohas/lab/runner"
)

const usage = `usage: lab COMMAND [FLAGS] [NAME...]

  lab list                 the scenarios
  lab run NAME...          run some, with a time line
  lab all                  run all, two kernels at a time, with a table at the end

flags of run and all:
`

func main() {
	if len(os.Args) > 2 && os.Args[1] == kernel.Confined {
		os.Exit(kernel.Confine(os.Args[2]))
	}
	if len(os.Args) > 2 && os.Args[1] == runner.Inside {
		fail(guest.Main(os.Args[2]))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := command(ctx, os.Args[1:])
	if errors.Is(err, errScenario) {
		os.Exit(1)
	}
	fail(err)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: error: %v\n", err)
		os.Exit(2)
	}
}

// errScenario says that a scenario failed; its table says which.
var errScenario = errors.New("a scenario failed")

type flags struct {
	backend, shell, keep string
	repeat               int
	update, full         bool
}

func command(ctx context.Context, args []string) error {
	var f flags
	set := flag.NewFlagSet("lab", flag.ContinueOnError)
	set.StringVar(&f.backend, "backend", "", "run on this back end only: uml or netns")
	set.StringVar(&f.shell, "shell", "", "open a shell on this `host` when the steps are done")
	set.StringVar(&f.keep, "keep", "", "keep logs, time lines and snapshots in this `folder`")
	set.IntVar(&f.repeat, "repeat", 1, "run each scenario so many `times`")
	set.BoolVar(&f.update, "update", false, "put the runs on record, in lab/recorded")
	set.BoolVar(&f.full, "full", false, "with Kubernetes' and BIRD's own periods instead of the shorter ones of the scenarios")
	set.Usage = func() {
		fmt.Fprint(set.Output(), usage)
		set.PrintDefaults()
	}
	if len(args) == 0 {
		set.Usage()
		return errors.New("no command")
	}
	if err := set.Parse(args[1:]); err != nil {
		return err
	}
	all, err := lab.ReadAll(os.DirFS("lab/scenarios"))
	if err != nil {
		return err
	}
	switch args[0] {
	case "list":
		return list(all)
	case "run":
		chosen, err := choose(all, set.Args())
		if err != nil {
			return err
		}
		return run(ctx, f, chosen, true)
	case "all":
		return run(ctx, f, all, false)
	}
	set.Usage()
	return fmt.Errorf("no command %s", args[0])
}

func list(all []*lab.Scenario) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, join(s.Backends), s.Title)
	}
	return w.Flush()
}

func join(backends []lab.Backend) string {
	var names []string
	for _, b := range backends {
		names = append(names, string(b))
	}
	return strings.Join(names, " ")
}

func choose(all []*lab.Scenario, names []string) ([]*lab.Scenario, error) {
	var chosen []*lab.Scenario
	for _, name := range names {
		i := slices.IndexFunc(all, func(s *lab.Scenario) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no scenario %s: see lab list", name)
		}
		chosen = append(chosen, all[i])
	}
	if len(chosen) == 0 {
		return nil, errors.New("which scenario? see lab list")
	}
	return chosen, nil
}

func run(ctx context.Context, f flags, scenarios []*lab.Scenario, follow bool) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	o := runner.Options{
		Program: self, Tools: "tools/build", Recorded: "lab/recorded", Update: f.update,
		Shell: f.shell, Keep: f.keep, Repeat: f.repeat, Full: f.full,
	}
	if f.shell != "" {
		o.Stdin, o.Console = os.Stdin, os.Stdout
		var stop context.CancelFunc
		// ^C is for what runs in the shell.
		ctx, stop = signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM, syscall.SIGHUP)
		defer stop()
	}
	if follow {
		end := "\n"
		if f.shell != "" {
			end = "\r\n" // User Mode Linux makes the terminal raw
		}
		o.Follow = func(e lab.Event) { fmt.Print(e, end) }
	} else {
		o.Follow = func(e lab.Event) {
			if e.Kind == lab.Began || e.Kind == lab.Failed {
				fmt.Fprintf(os.Stderr, "%s  %s\n", time.Now().Format(time.TimeOnly), e)
			}
		}
	}
	var lanes []runner.Lane
	for _, l := range runner.Plan(scenarios) {
		if f.backend == "" || string(l.Backend) == f.backend {
			lanes = append(lanes, l)
		}
	}
	results := runner.All(ctx, o, lanes)
	return table(results)
}

func table(results []runner.Result) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nscenario\tback end\toutcome\tseconds")
	failed := false
	for _, r := range results {
		outcome := "ok"
		if len(r.Wrong) > 0 {
			outcome, failed = "FAILED", true
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\n", r.Name, r.Backend, outcome, r.Took.Seconds())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		for _, text := range r.Wrong {
			fmt.Printf("%s (%s): %s\n", r.Name, r.Backend, text)
		}
	}
	if failed {
		return errScenario
	}
	return nil
}
