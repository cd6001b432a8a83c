// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"whohas/internal/config"
	"whohas/internal/console"
	"whohas/snapshot"
	"whohas/source/bundle"
	"whohas/source/capture"
	"whohas/source/host"
)

type snapshotFlags struct {
	inputs
	file string
	host bool
	node string

	printScript bool
}

func (e *env) snapshotCommand() *cobra.Command {
	f := &snapshotFlags{}
	cmd := &cobra.Command{
		Use:   "snapshot -o FILE",
		Short: "What was seen, into one file that every other command reads with --bundle",
		Long: `Snapshot writes what the check needs of a cluster into one compressed file: the
fields that claims and explanations declare, with their lines, and what could
not be read. No Secret is read, and no environment variable but the addresses
that are claims themselves.

The file is read with --bundle, and with --base to check changes against it.

With --host it holds what the kernel of this host has: devices, addresses, routes,
neighbours, IPVS, ipsets, iptables and nftables, sysctls and listeners, with the
names of processes and nothing else of them. Nothing is changed, and no kernel
module is loaded. Without root the half of it stays closed, which the file says.
A cluster is read beside it only where -f, -k, --bundle or --live name one.`,
		Example: `  whohas snapshot -o cluster.snapshot                  # the current kubectl context
  whohas snapshot --bundle dump/ -o cluster.snapshot   # make a dump small and safe to pass on
  sudo whohas snapshot --host -o $(hostname).snapshot  # this host's kernel; give --node where the Node has another name
  whohas check --bundle cluster.snapshot --bundle cdev02.snapshot
  whohas snapshot --print-script > capture.sh          # sh capture.sh > cdev02.txt, where whohas is not
  whohas diagnose --bundle cdev02.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.takeSnapshot(cmd.Context(), f) },
	}
	f.register(cmd.Flags())
	f.registerComplete(cmd.Flags())
	cmd.Flags().StringVarP(&f.file, "output", "o", "", "the file to write, or - for stdout")
	cmd.Flags().BoolVar(&f.host, "host", false, "what this host's kernel holds (Linux; as root)")
	cmd.Flags().BoolVar(&f.printScript, "print-script", false, "print a sh script that captures a host where whohas is not; --bundle reads what it prints")
	cmd.Flags().StringVar(&f.node, "node", "", "the name of this host's Node (default: the host name in lower case)")
	return cmd
}

func (e *env) takeSnapshot(ctx context.Context, f *snapshotFlags) error {
	if f.printScript {
		if err := alone(f.flags, "print-script", "the script is always the same, and goes to stdout"); err != nil {
			return err
		}
		_, err := io.WriteString(e.Stdout, capture.Script())
		return err
	}
	if f.file == "" {
		return console.WithHint(errors.New("no file to write"), "whohas snapshot -o FILE")
	}
	if _, screen := terminal(e.Stdout); screen && f.file == "-" {
		return console.WithHint(errors.New("a snapshot is compressed, and stdout is a terminal"), "-o FILE, or a pipe")
	}
	if err := f.validate(); err != nil {
		return err
	}
	if f.node != "" && !f.host {
		return console.WithHint(errors.New("--node without --host"), "whohas snapshot --host --node NAME -o FILE")
	}
	if err := f.effective(f.sources().live && !f.host || f.live); err != nil {
		return err
	}
	ctx, release := e.end.begin(ctx, &f.inputs, f.until())
	defer release()
	s, err := e.seen(ctx, f)
	if err := cmp.Or(e.end.ended(ctx), err); err != nil {
		return err
	}
	if s.Count() == 0 && s.Failed() {
		e.settle(&f.inputs, &world{snapshot: s})
		return console.WithHint(errors.New("nothing was read: no snapshot is written"), "an older file is left as it is")
	}
	if err := e.writeSnapshot(ctx, f.file, s); err != nil {
		return cmp.Or(e.end.ended(ctx), fmt.Errorf("%s: %w", f.file, err))
	}
	w := &world{snapshot: s}
	if len(f.require) > 0 {
		var err error
		if w, err = e.world(s, &f.inputs, &config.Config{}); err != nil {
			return err
		}
	}
	e.settle(&f.inputs, w)
	if f.file != "-" {
		e.Note("%s written to %s", contents(s), f.file)
	}
	return nil
}

// contents says what is in a snapshot: "8 objects", "1 host", "8 objects and 2 hosts".
func contents(s *snapshot.Snapshot) string {
	objects := fmt.Sprintf("%d objects", s.Count()-len(s.Hosts))
	hosts := fmt.Sprintf("%d hosts", len(s.Hosts))
	switch len(s.Hosts) {
	case 0:
		return objects
	case 1:
		hosts = "1 host"
	}
	if s.Count() == len(s.Hosts) {
		return hosts
	}
	return objects + " and " + hosts
}

// seen reads what the command asks for.
func (e *env) seen(ctx context.Context, f *snapshotFlags) (*snapshot.Snapshot, error) {
	into := e.end.builder()
	s := f.sources()
	if f.host {
		s.live = f.live // a cluster is asked only where somebody says so
		if err := e.readHost(ctx, f, into); err != nil {
			return nil, err
		}
	}
	if err := e.read(ctx, &f.inputs, s, into); err != nil {
		return nil, err
	}
	return into.Snapshot(), nil
}

// readHost reads this host before everything else: it takes a moment only, and
// what it shows is sooner old than a cluster's objects are.
func (e *env) readHost(ctx context.Context, f *snapshotFlags, into *snapshot.Builder) error {
	if err := e.onLinux(); err != nil {
		return err
	}
	p := e.progress()
	e.end.during("reading this host")
	coverage := host.Add(ctx, host.Options{Name: f.node, Userspace: true, Progress: func(section string) { p.show("reading host: " + section) }}, into)
	p.done()
	if err := e.end.ended(ctx); err != nil {
		return err
	}
	closed := 0
	for _, c := range coverage {
		if !c.Complete && !c.Failed { // of what has failed settle tells
			e.Note("%s: %s", c.Source, c.Detail)
		}
		if c.Status == snapshot.StatusDenied {
			closed++
		}
	}
	if closed > 0 {
		e.Hint("run it as root: sudo whohas snapshot --host -o FILE")
	}
	return nil
}

// writeSnapshot leaves an older file alone until the new one is whole.
func (e *env) writeSnapshot(ctx context.Context, path string, s *snapshot.Snapshot) error {
	e.end.during("writing " + path)
	write := func(w io.Writer) error { return bundle.Write(w, s, console.Version()) }
	if path == "-" {
		return through(ctx, e.Stdout, write)
	}
	return e.writeFile(ctx, path, write)
}
