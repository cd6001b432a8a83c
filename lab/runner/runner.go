// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package runner runs scenarios from outside: it gathers what they need, boots
// kernels, follows their time lines, and holds each run against the record.
package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"whohas/lab"
	"whohas/lab/kernel"
)

// Options say how to run.
type Options struct {
	Program  string // this program, which is a kernel's first process when called so
	Tools    string // the script that says where components are: tools/build
	Shell    string // open a shell on this host at the end of the run
	Keep     string // a folder for logs, time lines and snapshots; empty: none are kept
	Repeat   int
	Patience int    // how many times as long as it says a wait may take, on a busy machine; 0: once
	Full     bool   // with the components' own periods instead of a scenario's shorter ones
	Recorded string // the folder of what is on record; empty: runs are not compared
	Update   bool   // put runs on record instead
	Stdin    io.Reader
	Follow   func(lab.Event) // called for every event, as it happens
	Console  io.Writer       // the kernels' consoles; nil: kept for errors only
}

// bootLimit is the time for a kernel to boot and halt.
const bootLimit = 5 * time.Minute

// Run runs scenarios one after the other in one kernel, and gives their runs in
// that order. An error is the kernel's or the machine's; runs that were done
// before it are given.
func Run(ctx context.Context, o Options, backend lab.Backend, scenarios []*lab.Scenario) (runs []*lab.Run, err error) {
	work, err := kernel.NewWork()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, work.Close()) }()
	versions, err := install(ctx, work, o, scenarios)
	if err != nil {
		return nil, err
	}
	limit := bootLimit
	for _, s := range scenarios {
		limit += (s.Limit + setupLimit) * time.Duration(max(o.Repeat, 1))
	}
	if o.Shell == "" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %s", limit))
		defer cancel()
	}
	b := &boot{options: o, backend: backend, work: work, versions: versions}
	err = b.boot(ctx, scenarios)
	return b.runs, errors.Join(err, b.collect())
}

const setupLimit = 10 * time.Minute

// boot is one kernel on its way.
type boot struct {
	options  Options
	backend  lab.Backend
	work     *kernel.Work
	versions map[string]string
	console  bytes.Buffer
	runs     []*lab.Run
	halting  string
}

func (b *boot) boot(ctx context.Context, scenarios []*lab.Scenario) error {
	job := lab.Job{
		Backend: b.backend, Scenarios: scenarios, Out: b.work.Out(),
		Shell: b.options.Shell, Repeat: b.options.Repeat, Keep: b.options.Keep != "", Versions: b.versions,
	}
	data, err := json.Marshal(job)
	if err != nil {
		return fmt.Errorf("write job: %w", err)
	}
	path, err := b.work.Give("job.json", data)
	if err != nil {
		return err
	}
	console := io.Writer(&b.console)
	if b.options.Console != nil {
		console = io.MultiWriter(&b.console, b.options.Console)
	}
	err = kernel.Boot(ctx, kernel.Options{
		Backend: b.backend, Work: b.work, Args: []string{Inside, path}, Memory: memory(scenarios),
		Stdin: b.options.Stdin, Message: b.message, Console: console,
	})
	if err == nil && b.halting == "" && len(b.runs) == len(scenarios)*max(b.options.Repeat, 1) {
		return nil
	}
	return fmt.Errorf("%w: %s; the console's last lines:\n%s", errors.Join(err, errHalted), b.halting, tail(b.console.String(), 20))
}

var errHalted = errors.New("the kernel halted before all was done")

// Inside is the command by which this program is a kernel's first process.
const Inside = "inside"

// memory is what a kernel needs; it takes no more of the machine's than it uses.
func memory(scenarios []*lab.Scenario) string {
	for _, s := range scenarios {
		if !s.KernelOnly() {
			return "6G"
		}
	}
	return "1G"
}

func (b *boot) message(data []byte) {
	var e lab.Event
	if err := json.Unmarshal(data, &e); err != nil {
		e = lab.Event{Kind: lab.Failed, Text: fmt.Sprintf("unreadable event: %v: %q", err, data)}
	}
	if e.Kind == lab.Halting {
		b.halting = e.Text
		return
	}
	if e.Kind == lab.Began || len(b.runs) == 0 {
		b.runs = append(b.runs, &lab.Run{Scenario: e.Scenario, Backend: b.backend, Files: map[string][]byte{}, Logs: map[string]string{}})
	}
	run := b.runs[len(b.runs)-1]
	run.Events = append(run.Events, e)
	if b.options.Follow != nil {
		b.options.Follow(e)
	}
}

// collect reads what the runs brought back: out/SCENARIO.TURN/FILE.
func (b *boot) collect() error {
	turns := map[string]int{}
	for _, r := range b.runs {
		dir := filepath.Join(b.work.Out(), fmt.Sprintf("%s.%d", r.Scenario, turns[r.Scenario]))
		turns[r.Scenario]++
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			name, _ := filepath.Rel(dir, path)
			if log, ok := strings.CutPrefix(name, "logs/"); ok {
				r.Logs[log] = string(data)
			} else {
				r.Files[name] = data
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("collect %s: %w", r.Scenario, err)
		}
	}
	return nil
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(text, "\r", "")), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
