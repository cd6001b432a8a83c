// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runner

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"whohas/lab"
)

// Result is the outcome of one run of a scenario.
type Result struct {
	Name    string
	Backend lab.Backend
	Took    time.Duration
	Wrong   []string // why it failed, or how it differs from the record
	Run     *lab.Run // nil: it did not come to it
}

// kernelsAtOnce is how many kernels run side by side; each keeps a processor
// busy.
const kernelsAtOnce = 2

// All runs lanes side by side and gives what became of every scenario, sorted.
func All(ctx context.Context, o Options, lanes []Lane) []Result {
	var (
		wait    sync.WaitGroup
		mu      sync.Mutex
		results []Result
		slots   = make(chan struct{}, kernelsAtOnce)
	)
	if o.Follow != nil {
		follow := o.Follow
		o.Follow = func(e lab.Event) {
			mu.Lock()
			defer mu.Unlock()
			follow(e)
		}
	}
	for _, lane := range lanes {
		slots <- struct{}{} // here, so that they start in their order
		wait.Go(func() {
			defer func() { <-slots }()
			found := runLane(ctx, o, lane)
			mu.Lock()
			defer mu.Unlock()
			results = append(results, found...)
		})
	}
	wait.Wait()
	slices.SortStableFunc(results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Backend, b.Backend))
	})
	return results
}

// runLane runs a lane's scenarios and judges each run.
func runLane(ctx context.Context, o Options, lane Lane) []Result {
	if o.Full {
		lane.Scenarios = full(lane.Scenarios)
	}
	if o.Patience > 1 {
		lane.Scenarios = patient(lane.Scenarios, o.Patience)
	}
	runs, err := Run(ctx, o, lane.Backend, lane.Scenarios)
	var results []Result
	for i, s := range lane.Scenarios {
		for turn := range max(o.Repeat, 1) {
			r := Result{Name: s.Name, Backend: lane.Backend}
			if at := i*max(o.Repeat, 1) + turn; at < len(runs) {
				r.Run, r.Took = runs[at], runs[at].Took()
				r.Wrong = judge(o, s, r.Run, turn)
			} else {
				r.Wrong = []string{fmt.Sprintf("not run: %v", err)}
			}
			results = append(results, r)
		}
	}
	return results
}

// full takes out what scenarios shorten.
func full(scenarios []*lab.Scenario) []*lab.Scenario {
	var out []*lab.Scenario
	for _, s := range scenarios {
		c := *s
		c.Cluster.Grace, c.Cluster.HoldTime = 0, 240*time.Second // BIRD's default, and so Calico's
		c.Limit *= 3
		c.Steps = slices.Clone(s.Steps)
		for i := range c.Steps {
			// A session with a dead peer is down only when the hold time is over.
			if c.Steps[i].Verb == lab.Wait {
				c.Steps[i].For += c.Cluster.HoldTime
			}
		}
		out = append(out, &c)
	}
	return out
}

// patient gives scenarios more time to come to what they wait for. What they hold or
// sleep is part of what they show, and stays.
func patient(scenarios []*lab.Scenario, times int) []*lab.Scenario {
	var out []*lab.Scenario
	for _, s := range scenarios {
		c := *s
		c.Limit *= time.Duration(times)
		c.Steps = slices.Clone(s.Steps)
		for i := range c.Steps {
			if c.Steps[i].Verb == lab.Wait || c.Steps[i].Verb == lab.Finish {
				c.Steps[i].For *= time.Duration(times)
			}
		}
		out = append(out, &c)
	}
	return out
}

// judge tells what is wrong with a run, keeps its papers if asked to, and puts
// it on record or compares it with what is.
func judge(o Options, s *lab.Scenario, r *lab.Run, turn int) []string {
	wrong := r.Failures()
	folder := RecordName(s, r.Backend)
	if o.Keep != "" {
		if err := keep(filepath.Join(o.Keep, fmt.Sprintf("%s.%d", folder, turn)), r); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	if len(wrong) > 0 || o.Recorded == "" {
		return wrong
	}
	recorded := filepath.Join(o.Recorded, folder)
	if o.Update {
		if err := Keep(recorded, r); err != nil {
			return []string{err.Error()}
		}
		return nil
	}
	diff, err := Compare(recorded, r)
	if err != nil {
		return []string{err.Error()}
	}
	return diff
}

// keep writes all that a run brought back.
func keep(dir string, r *lab.Run) error {
	if err := Keep(dir, r); err != nil {
		return err
	}
	for name, text := range r.Logs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("keep logs: %w", err)
		}
	}
	return nil
}
