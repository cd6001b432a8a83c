// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"whohas/snapshot"
	"whohas/source/bundle"
)

type snapshotFlags struct {
	inputs
	file string
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

The file is read with --bundle, and with --base to check changes against it.`,
		Example: `  whohas snapshot -o cluster.snapshot                  # the current kubectl context
  whohas snapshot --bundle dump/ -o cluster.snapshot   # make a dump small and safe to pass on`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.takeSnapshot(cmd.Context(), f) },
	}
	f.register(cmd.Flags())
	cmd.Flags().StringVarP(&f.file, "output", "o", "", "the file to write, or - for stdout")
	return cmd
}

func (e *env) takeSnapshot(ctx context.Context, f *snapshotFlags) error {
	if f.file == "" {
		return withHint(errors.New("no file to write"), "whohas snapshot -o FILE")
	}
	if err := f.validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	into := &snapshot.Builder{}
	if err := e.read(ctx, &f.inputs, f.sources(), into); err != nil {
		return err
	}
	s := into.Snapshot()
	if s.Count() == 0 && s.Failed() {
		e.settle(&f.inputs, &world{snapshot: s})
		return withHint(errors.New("nothing was read: no snapshot is written"), "an older file is left as it is")
	}
	if err := e.writeSnapshot(f.file, s); err != nil {
		return fmt.Errorf("%s: %w", f.file, err)
	}
	w := &world{snapshot: s}
	if len(f.require) > 0 {
		var err error
		if w, err = e.world(s, &f.inputs, &config{}); err != nil {
			return err
		}
	}
	e.settle(&f.inputs, w)
	if f.file != "-" {
		e.note("%d objects written to %s", s.Count(), f.file)
	}
	return nil
}

// writeSnapshot leaves an older file alone until the new one is whole.
func (e *env) writeSnapshot(path string, s *snapshot.Snapshot) error {
	write := func(w io.Writer) error { return bundle.Write(w, s, Version()) }
	if path == "-" {
		return write(e.stdout)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return e.writeInto(path, write)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".whohas-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := errors.Join(write(tmp), tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// writeInto writes to what is no plain file: a pipe, /dev/stdout.
func (e *env) writeInto(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
