// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// bencher measures one thing after the other. Only one process runs at a time.
type bencher struct {
	runs                              int
	decisions, asking                 int // of the guard's: how many, how many seconds
	root                              string
	sizes                             samples
	temp, kept                        string
	whohas, guardProgram, kubeconform string
	table                             table
	wrong                             []string // what is not merely slow
	lines                             string   // the file for benchmark lines; "": none
}

func (b *bencher) all(what []string) error {
	parts := map[string]func() error{"commands": b.commands, "guard": b.guard}
	for _, w := range what {
		if parts[w] == nil {
			return fmt.Errorf("%s: nothing of that name is measured; see -h", w)
		}
	}
	if err := b.buildPrograms(); err != nil {
		return err
	}
	b.table.load("before")
	for _, w := range what {
		if err := parts[w](); err != nil {
			return err
		}
	}
	b.table.load("after")
	if err := errors.Join(b.table.print(os.Stdout), b.table.keep(b.lines)); err != nil {
		return err
	}
	if len(b.wrong) > 0 {
		return fmt.Errorf("wrong results:\n  %s", strings.Join(b.wrong, "\n  "))
	}
	return nil
}

// commands measures those that read a whole cluster.
func (b *bencher) commands() (err error) {
	if b.kubeconform, err = buildTool(b.root, "kubeconform"); err != nil {
		saying("no kubeconform to compare with: %v", err)
	}
	s := store{dir: b.kept, root: b.root}
	for _, d := range b.sizes.all() {
		if d.files, err = s.ensure(d); err != nil {
			return err
		}
	}
	for _, measure := range []func() error{b.snapshots, b.dumps, b.trees} {
		if err := measure(); err != nil {
			return err
		}
	}
	return nil
}

// saying tells on stderr what is being done: most of it takes a while.
func saying(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}

func (b *bencher) tempFile(name string) string { return filepath.Join(b.temp, name) }

// few is for measurements that only stand beside another.
func (b *bencher) few() int { return min(b.runs, 3) }

// checking is the command line of `whohas check` on an input, with its report in
// a file. The time limit is not what is measured.
func checking(report string, input ...string) []string {
	return append([]string{"check", "--fail-on", "never", "--timeout", "10m", "-o", "json=" + report}, input...)
}
