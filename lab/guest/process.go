// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"whohas/lab/testbed"
)

// Process is a component that runs on a host. Its log lies on the host, below
// /var/log.
type Process struct {
	Name string
	Host *testbed.Host

	cmd     *exec.Cmd
	log     string
	ended   chan struct{}
	err     error
	stopped atomic.Bool
}

// start starts a program; its log goes on where an earlier one's ended.
func start(h *testbed.Host, name, program string, args ...string) (*Process, error) {
	p := &Process{Name: name, Host: h, log: filepath.Join(h.Root, "var/log", name+".log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer log.Close()
	p.cmd = &exec.Cmd{Path: program, Args: append([]string{program}, args...), Stdout: log, Stderr: log}
	if err := h.Start(p.cmd); err != nil {
		return nil, fmt.Errorf("start %s on %s: %w", name, h.Name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stopGrace is how long a program may take to end when it is asked to.
const stopGrace = 5 * time.Second

// Stop ends the process as a service manager would: first by asking.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

// Kill ends it at once, as a power failure would.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

func (p *Process) end(s syscall.Signal) {
	p.stopped.Store(true)
	_ = syscall.Kill(-p.cmd.Process.Pid, s)
	select {
	case <-p.ended:
	case <-time.After(stopGrace):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
}

// Died reports whether the process ended without having been stopped.
func (p *Process) Died() error {
	select {
	case <-p.ended:
		if p.stopped.Load() {
			return nil
		}
		return fmt.Errorf("%s on %s died: %w; its last lines:\n%s", p.Name, p.Host.Name, errors.Join(p.err, errDied), p.Tail(15))
	default:
		return nil
	}
}

var errDied = errors.New("a component must outlive its scenario")

// Running reports whether it runs.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Log is all that it wrote.
func (p *Process) Log() []byte {
	data, _ := os.ReadFile(p.log)
	return data
}

// Tail is its last lines.
func (p *Process) Tail(n int) string {
	lines := bytes.Split(bytes.TrimRight(p.Log(), "\n"), []byte("\n"))
	var b strings.Builder
	for _, l := range lines[max(0, len(lines)-n):] {
		fmt.Fprintf(&b, "    %s\n", l)
	}
	return b.String()
}
