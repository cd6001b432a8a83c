// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package guest is what runs inside a lab kernel, as its first process: it prepares the
// machine, builds the hosts of each scenario, starts the real etcd, kube-apiserver, kubelet,
// kube-proxy, BIRD and the guard on them, takes the steps, asks the questions, and halts. It
// talks to the runner by events on standard output.
package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"whohas/lab"
	"whohas/lab/kernel"
)

// Main runs the job of a file, as the first process. It does not return in a
// kernel of its own: the kernel halts.
func Main(file string) error {
	// Caught, not ignored: what is ignored stays so in every program it starts.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	job, err := readJob(file)
	if err == nil {
		err = run(job)
	}
	if err != nil {
		tell(lab.Event{Kind: lab.Halting, Text: err.Error()})
	}
	if job != nil && job.Backend == lab.UML {
		unix.Sync()
		return errors.Join(err, unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
	}
	return err
}

func readJob(file string) (*lab.Job, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	var job lab.Job
	if err := json.Unmarshal(data, &job); err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	return &job, nil
}

// tell sends an event in one write, so that the console's lines stay apart.
func tell(e lab.Event) {
	line, err := json.Marshal(e)
	if err != nil {
		line, _ = json.Marshal(lab.Event{Kind: lab.Failed, Scenario: e.Scenario, Text: err.Error()})
	}
	_, _ = os.Stdout.WriteString(kernel.Mark + string(line) + "\n")
}

func run(job *lab.Job) error {
	m, err := prepare(job)
	if err != nil {
		return fmt.Errorf("prepare the machine: %w", err)
	}
	defer m.tearDown()
	for _, s := range job.Scenarios {
		for i := range max(job.Repeat, 1) {
			m.play(s, i)
		}
	}
	return nil
}

// play runs one scenario in the time it has.
func (m *machine) play(s *lab.Scenario, turn int) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.Limit+setupLimit, errLimit)
	defer cancel()
	p := &executor{machine: m, scenario: s, turn: turn, begin: time.Now()}
	p.tell(lab.Event{Kind: lab.Began})
	err := p.play(ctx)
	if err != nil {
		p.tell(lab.Event{Kind: lab.Failed, Text: err.Error()})
	}
	if err != nil || m.job.Keep {
		if err := p.bringLogs(); err != nil {
			p.note(err.Error())
		}
	}
	m.shell(p)
	p.clear()
	if err != nil {
		m.tearDown() // what failed is no ground for another scenario
	}
	p.tell(lab.Event{Kind: lab.Ended})
}

// setupLimit is the time for what comes before a scenario's first step.
const setupLimit = 10 * time.Minute

var errLimit = errors.New("the scenario's time is over")
