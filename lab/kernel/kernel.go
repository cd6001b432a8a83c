// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package kernel boots the kernels that scenarios run on, without harm to the
// machine: a User Mode Linux as an unprivileged process, or namespaces of this
// machine's kernel. Both are confined: they see the machine's files and can write
// to one folder only. Whatever becomes of the caller, no process, mount or
// namespace outlives it; the files of a caller that was killed are swept at the
// next start.
package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"whohas/lab"
)

// Mark begins a line of the first process that is meant for the caller; all
// other lines are the console's.
const Mark = "\x1e"

// Options say what to boot.
type Options struct {
	Backend lab.Backend
	Work    *Work
	Args    []string     // of the first process, which is the program installed as "lab": see Confined
	Memory  string       // of User Mode Linux: "4G"
	Stdin   io.Reader    // a terminal for a shell; nil: none
	Message func([]byte) // called for each marked line, without the mark
	Console io.Writer    // gets everything else
}

// ErrLeft says that something in a kernel has written elsewhere than to the work
// folder. Nothing of it is on the machine.
var ErrLeft = errors.New("written beside the work folder")

// Boot runs a kernel until its first process has ended and the kernel has
// halted, or until the context ends: then everything in it is killed.
func Boot(ctx context.Context, o Options) error {
	cmd, err := command(o)
	if err != nil {
		return err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	defer out.Close()
	said, say, err := os.Pipe()
	if err != nil {
		in.Close()
		return fmt.Errorf("boot: %w", err)
	}
	defer said.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = o.Stdin, in, in
	cmd.ExtraFiles = []*os.File{say}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, cmd, in, say)
		// Whatever held the console has died with the PID namespace; should
		// anything else hold it, it is not waited for.
		_ = out.SetReadDeadline(time.Now().Add(haltGrace))
	}()
	readErr := (&console{options: o, cancel: cancel}).read(out)
	err = <-done
	cause := context.Cause(ctx) // User Mode Linux may halt with status 0 all the same
	if err := errors.Join(cause, readErr, err, judge(said)); err != nil {
		return fmt.Errorf("boot %s: %w", o.Backend, err)
	}
	return nil
}

// judge reads what the cell reported. One that was killed reports nothing.
func judge(said io.Reader) error {
	var v verdict
	err := json.NewDecoder(said).Decode(&v)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("read the report: %w", err)
	case v.Error != "":
		return errors.New(v.Error)
	case len(v.Left) > 0:
		return fmt.Errorf("%w: %s", ErrLeft, strings.Join(v.Left, " "))
	}
	return nil
}

// haltGrace is how long the console is read after the first process has ended.
const haltGrace = 5 * time.Second

// run starts the command on a thread of its own, which lives until the command
// has ended: the parent-death signal is sent when the thread that started a
// process ends, not the process (prctl(2), PR_SET_PDEATHSIG).
func run(ctx context.Context, cmd *exec.Cmd, ends ...*os.File) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	for _, f := range ends {
		f.Close()
	}
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-ctx.Done():
			// The first process of a PID namespace: all others die with it.
			_ = cmd.Process.Signal(syscall.SIGKILL)
		case <-ended:
		}
	}()
	return cmd.Wait()
}

func command(o Options) (*exec.Cmd, error) {
	switch o.Backend {
	case lab.UML:
		return userMode(o)
	case lab.Namespaces:
		return namespaces(o)
	}
	return nil, fmt.Errorf("boot: no back end %q", o.Backend)
}
