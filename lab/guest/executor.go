// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"whohas/lab"
	"whohas/lab/prober"
	"whohas/lab/testbed"
)

// executor runs one scenario once.
type executor struct {
	*machine
	scenario   *lab.Scenario
	turn       int
	begin      time.Time
	phase      string
	background map[string]*background // commands in the background
	open       map[string]*prober.Connections
}

func (x *executor) tell(e lab.Event) {
	e.Scenario, e.Phase, e.At = x.scenario.Name, x.phase, time.Since(x.begin)
	tell(e)
}

func (x *executor) note(text string) { x.tell(lab.Event{Kind: lab.Noted, Text: text}) }

// play builds what the scenario asks for and takes its steps.
func (x *executor) play(ctx context.Context) error {
	if err := x.build(ctx); err != nil {
		return err
	}
	x.tell(lab.Event{Kind: lab.Versions, Text: x.versions()})
	for _, step := range x.scenario.Steps {
		if err := x.take(ctx, step); err != nil {
			return fmt.Errorf("line %d: %s: %w", step.Line, step, errors.Join(err, context.Cause(ctx)))
		}
		if err := x.alive(); err != nil {
			return fmt.Errorf("line %d: %s: %w", step.Line, step, err)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commandLimit bounds a command on a host.
const commandLimit = 2 * time.Minute

func (x *executor) run(ctx context.Context, s lab.Step) error {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	out, err := x.testbed.Host(s.Host).Shell(ctx, s.Args[0])
	for line := range strings.Lines(out) {
		x.note("    " + strings.TrimRight(line, "\n"))
	}
	var exit *exec.ExitError
	if s.Fails && errors.As(err, &exit) {
		return nil
	}
	if s.Fails && err == nil {
		return errors.New("it was meant to fail")
	}
	return err
}

// background is a command in the background.
type background struct {
	*exec.Cmd
	said bytes.Buffer
}

// beginCommand starts "begin NAME HOST COMMAND" in a group of its own.
func (x *executor) beginCommand(_ context.Context, s lab.Step) error {
	b := &background{Cmd: exec.Command("/bin/sh", "-c", s.Args[1])}
	b.Stdout, b.Stderr = &b.said, &b.said
	if err := x.testbed.Host(s.Host).Start(b.Cmd); err != nil {
		return err
	}
	if x.background == nil {
		x.background = map[string]*background{}
	}
	x.background[s.Args[0]] = b
	return nil
}

func (x *executor) endCommand(_ context.Context, s lab.Step) error { return x.kill(s.Args[0]) }

func (x *executor) kill(name string) error {
	b := x.background[name]
	if b == nil {
		return fmt.Errorf("nothing began as %s", name)
	}
	delete(x.background, name)
	_ = syscall.Kill(-b.Process.Pid, syscall.SIGKILL)
	_ = b.Wait()
	return nil
}

// finishCommand waits for a command to end by itself.
func (x *executor) finishCommand(ctx context.Context, s lab.Step) error {
	b := x.background[s.Args[0]]
	if b == nil {
		return fmt.Errorf("nothing began as %s", s.Args[0])
	}
	ctx, cancel := context.WithTimeout(ctx, s.For)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-b.Process.Pid, syscall.SIGKILL) })
	defer stop()
	err := b.Wait()
	delete(x.background, s.Args[0])
	for line := range strings.Lines(b.said.String()) {
		x.note("    " + strings.TrimRight(line, "\n"))
	}
	return errors.Join(ctx.Err(), err)
}

func (x *executor) listen(_ context.Context, s lab.Step) error {
	var port uint16
	if _, err := fmt.Sscan(s.Args[0], &port); err != nil {
		return fmt.Errorf("port %s: %w", s.Args[0], err)
	}
	return x.testbed.Host(s.Host).Listen(port)
}

// connect opens connections, in the place of those to the same port from before.
func (x *executor) connect(_ context.Context, s lab.Step) error {
	to, err := netip.ParseAddrPort(s.Args[0])
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(s.Args[1])
	if err != nil {
		return err
	}
	key := s.Host + " " + s.Args[0]
	if c := x.open[key]; c != nil {
		c.Close()
	}
	delete(x.open, key)
	return x.testbed.Host(s.Host).Do(func() error {
		c, err := prober.Connect(to, number, probeWait)
		if err != nil {
			return err
		}
		if x.open == nil {
			x.open = map[string]*prober.Connections{}
		}
		x.open[key] = c
		return nil
	})
}

// aliveWait is how long many connections are waited for.
const aliveWait = 10 * time.Second

func (x *executor) connections(_ context.Context, _ *testbed.Host, q lab.Query) (string, error) {
	c := x.open[q.Subject+" "+q.Args[0]]
	if c == nil {
		return "", fmt.Errorf("%s is not connected to %s", q.Subject, q.Args[0])
	}
	return c.Alive(aliveWait), nil
}

// clear ends what the scenario began in the background, and takes its testbed down
// where no other scenario can use it.
func (x *executor) clear() {
	for name := range x.background {
		_ = x.kill(name)
	}
	for _, c := range x.open {
		c.Close()
	}
	if x.scenario.KernelOnly() {
		x.tearDown()
	}
}

// bring writes a file for the runner.
func (x *executor) bring(name string, data []byte) error {
	dir := filepath.Join(x.out, fmt.Sprintf("%s.%d", x.scenario.Name, x.turn))
	if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
		return fmt.Errorf("bring %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		return fmt.Errorf("bring %s: %w", name, err)
	}
	return nil
}
