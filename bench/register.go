// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"os"
	"runtime"
	"time"

	"whohas/check"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/bundle"
)

// inProcess is what is measured within one process.
type inProcess struct {
	Register, Rules float64 // ms
	Peak, Kept      float64 // MiB
}

// register loads a snapshot, does once what the command does with it, and writes
// down what that took.
func register(args []string) error {
	from, to := args[0], args[1]
	s, err := load(from)
	if err != nil {
		return err
	}
	text, err := json.Marshal(measureRegister(s))
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

func load(path string) (*snapshot.Snapshot, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	into := &snapshot.Builder{}
	if err := bundle.Read(context.Background(), file, path, into); err != nil {
		return nil, err
	}
	return into.Snapshot(), nil
}

func measureRegister(s *snapshot.Snapshot) inProcess {
	before := liveHeap()
	w := watchHeap()
	begun := time.Now()
	facts := cluster.Infer(s, "", "")
	view := claimants.View(s)
	registered := time.Now()
	in := check.Input{View: view, Facts: facts, Objects: s, Coverage: s.Coverage, Rules: rules.All()}
	res := check.Finish(in, check.Run(in), nil, begun)
	done := time.Now()
	peak := w.stop()
	kept := liveHeap()
	runtime.KeepAlive(in)
	runtime.KeepAlive(res)
	return inProcess{
		Register: float64(registered.Sub(begun).Microseconds()) / 1e3,
		Rules:    float64(done.Sub(registered).Microseconds()) / 1e3,
		Peak:     mebi(max(peak, kept)) - mebi(before),
		Kept:     mebi(kept) - mebi(before),
	}
}

func mebi(bytes uint64) float64 { return float64(bytes) / (1 << 20) }
