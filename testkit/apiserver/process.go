// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// process is a server started by a test.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed once the process is gone
}

// run starts the program at path, with its output in a file in dir, and kills
// it at the end of tb or when the test binary dies, whichever is first.
func run(tb TB, dir, path string, args ...string) (*process, error) {
	name := filepath.Base(path)
	logFile, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = logFile.Close() }()
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	// Neither the caller's proxies nor its ETCD_* variables apply.
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	die(cmd)

	p := &process{name: name, log: logFile.Name(), cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ties the process to the thread that started it, not to
		// the test binary, so that thread must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // being killed is how it is meant to end
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	tb.Cleanup(p.end)
	return p, nil
}

// end kills the process, and returns when it is gone.
func (p *process) end() {
	select {
	case <-p.done: // its process id may be another's by now
	default:
		kill(p.cmd)
		<-p.done
	}
}

// await polls until ready succeeds, the process exits or ctx ends.
func (p *process) await(ctx context.Context, ready func() error) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return p.failure(errors.New("exited"))
		case <-ctx.Done():
			return p.failure(fmt.Errorf("not ready: %w; last: %w", ctx.Err(), err))
		}
	}
}

// failure adds the end of the log to err.
func (p *process) failure(err error) error {
	log, readErr := os.ReadFile(p.log)
	if readErr != nil {
		return fmt.Errorf("%s: %w; no log: %w", p.name, err, readErr)
	}
	return fmt.Errorf("%s: %w; end of its log:\n%s", p.name, err, tail(string(log), logTailLines))
}

// tail returns the last n lines of text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
