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
	"whohas/lab/site"
)

// player plays one scenario once.
type player struct {
	*machine
	scenario *lab.Scenario
	turn     int
	begin    time.Time
	phase    string
	behind   map[string]*behind // commands in the background
	open     map[string]*prober.Connections
}

func (p *player) tell(e lab.Event) {
	e.Scenario, e.Phase, e.At = p.scenario.Name, p.phase, time.Since(p.begin)
	tell(e)
}

func (p *player) note(text string) { p.tell(lab.Event{Kind: lab.Noted, Text: text}) }

// play builds what the scenario asks for and takes its steps.
func (p *player) play(ctx context.Context) error {
	if err := p.build(ctx); err != nil {
		return err
	}
	p.tell(lab.Event{Kind: lab.Versions, Text: p.versions()})
	for _, step := range p.scenario.Steps {
		if err := p.take(ctx, step); err != nil {
			return fmt.Errorf("line %d: %s: %w", step.Line, step, errors.Join(err, context.Cause(ctx)))
		}
		if err := p.alive(); err != nil {
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

func (p *player) run(ctx context.Context, s lab.Step) error {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	out, err := p.site.Host(s.Host).Shell(ctx, s.Args[0])
	for line := range strings.Lines(out) {
		p.note("    " + strings.TrimRight(line, "\n"))
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

// behind is a command in the background.
type behind struct {
	*exec.Cmd
	said bytes.Buffer
}

// beginCommand starts "begin NAME HOST COMMAND" in a group of its own.
func (p *player) beginCommand(_ context.Context, s lab.Step) error {
	b := &behind{Cmd: exec.Command("/bin/sh", "-c", s.Args[1])}
	b.Stdout, b.Stderr = &b.said, &b.said
	if err := p.site.Host(s.Host).Start(b.Cmd); err != nil {
		return err
	}
	if p.behind == nil {
		p.behind = map[string]*behind{}
	}
	p.behind[s.Args[0]] = b
	return nil
}

func (p *player) endCommand(_ context.Context, s lab.Step) error { return p.kill(s.Args[0]) }

func (p *player) kill(name string) error {
	b := p.behind[name]
	if b == nil {
		return fmt.Errorf("nothing began as %s", name)
	}
	delete(p.behind, name)
	_ = syscall.Kill(-b.Process.Pid, syscall.SIGKILL)
	_ = b.Wait()
	return nil
}

// finishCommand waits for a command to end by itself.
func (p *player) finishCommand(ctx context.Context, s lab.Step) error {
	b := p.behind[s.Args[0]]
	if b == nil {
		return fmt.Errorf("nothing began as %s", s.Args[0])
	}
	ctx, cancel := context.WithTimeout(ctx, s.For)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-b.Process.Pid, syscall.SIGKILL) })
	defer stop()
	err := b.Wait()
	delete(p.behind, s.Args[0])
	for line := range strings.Lines(b.said.String()) {
		p.note("    " + strings.TrimRight(line, "\n"))
	}
	return errors.Join(ctx.Err(), err)
}

func (p *player) listen(_ context.Context, s lab.Step) error {
	var port uint16
	if _, err := fmt.Sscan(s.Args[0], &port); err != nil {
		return fmt.Errorf("port %s: %w", s.Args[0], err)
	}
	return p.site.Host(s.Host).Listen(port)
}

// connect opens connections, in the place of those to the same port from before.
func (p *player) connect(_ context.Context, s lab.Step) error {
	to, err := netip.ParseAddrPort(s.Args[0])
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(s.Args[1])
	if err != nil {
		return err
	}
	key := s.Host + " " + s.Args[0]
	if c := p.open[key]; c != nil {
		c.Close()
	}
	delete(p.open, key)
	return p.site.Host(s.Host).Do(func() error {
		c, err := prober.Connect(to, number, probeWait)
		if err != nil {
			return err
		}
		if p.open == nil {
			p.open = map[string]*prober.Connections{}
		}
		p.open[key] = c
		return nil
	})
}

// aliveWait is how long many connections are waited for.
const aliveWait = 10 * time.Second

func (p *player) connections(_ context.Context, _ *site.Host, q lab.Query) (string, error) {
	c := p.open[q.Subject+" "+q.Args[0]]
	if c == nil {
		return "", fmt.Errorf("%s is not connected to %s", q.Subject, q.Args[0])
	}
	return c.Alive(aliveWait), nil
}

// clear ends what the scenario began in the background, and takes its site down
// where no other scenario can use it.
func (p *player) clear() {
	for name := range p.behind {
		_ = p.kill(name)
	}
	for _, c := range p.open {
		c.Close()
	}
	if p.scenario.KernelOnly() {
		p.tearDown()
	}
}

// bring writes a file for the runner.
func (p *player) bring(name string, data []byte) error {
	dir := filepath.Join(p.out, fmt.Sprintf("%s.%d", p.scenario.Name, p.turn))
	if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
		return fmt.Errorf("bring %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		return fmt.Errorf("bring %s: %w", name, err)
	}
	return nil
}
