// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// snapshots measures the check of a snapshot, and within it the register and
// the rules. The snapshot is made again: its format may have changed.
func (b *bencher) snapshots() error {
	full := b.sizes.full
	if _, err := full.files.warm(); err != nil {
		return err
	}
	snapshot, report := b.tempFile("cluster.snapshot"), b.tempFile("snapshot.json")
	if _, err := b.repeat(1, b.whohas, "snapshot", "--timeout", "10m", "--bundle", full.files.dir, "-o", snapshot); err != nil {
		return err
	}
	info, err := os.Stat(snapshot)
	if err != nil {
		return err
	}
	f, err := b.repeat(b.runs, b.whohas, checking(report, "--bundle", snapshot)...)
	if err != nil {
		return err
	}
	found, err := b.judge(full, "snapshot", report)
	if err != nil {
		return err
	}
	b.table.add(row{what: "check of a snapshot", size: fmt.Sprintf("%d objects, %.1f MB", found, float64(info.Size())/1e6),
		unit: seconds, values: f.walls, rss: f.rss, goal: goal{below: 1.5, rss: 350 << 20}})
	return b.registers(snapshot)
}

// judge compares a report with what was planted, and counts the objects.
func (b *bencher) judge(c *sample, form, path string) (int, error) {
	r, err := readReport(path)
	if err != nil {
		return 0, err
	}
	wrong := compare(c.files.planted, r)
	for _, w := range wrong {
		b.wrong = append(b.wrong, c.Name+" "+form+": "+w)
	}
	b.table.verdict("%s %s: %d conflicts planted, %d findings and %d symptoms of them, %d wrong", c.Name, form, own(c.files.planted), len(r.Findings), len(r.Symptoms), len(wrong))
	return r.Summary.Objects, nil
}

// registers measures what a loaded snapshot costs further.
func (b *bencher) registers(snapshot string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	saying("register and rules of it, %d times", b.runs)
	var all []inProcess
	for range b.runs {
		file := b.tempFile("register.json")
		if _, err := b.run(nil, self, "register", snapshot, file); err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var p inProcess
		if err := json.Unmarshal(text, &p); err != nil {
			return err
		}
		all = append(all, p)
	}
	b.registerRows(all)
	return nil
}

func (b *bencher) registerRows(all []inProcess) {
	add := func(what string, u unit, g goal, value func(inProcess) float64) {
		r := row{what: what, unit: u, goal: g}
		for _, p := range all {
			r.values = append(r.values, value(p))
		}
		b.table.add(r)
	}
	add("  register", millis, goal{}, func(p inProcess) float64 { return p.Register })
	add("  rules", millis, goal{}, func(p inProcess) float64 { return p.Rules })
	add("  register and rules", millis, goal{below: 250}, func(p inProcess) float64 { return p.Register + p.Rules })
	add("  heap beyond the snapshot, peak", mebibytes, goal{below: 200}, func(p inProcess) float64 { return p.Peak })
	add("  heap beyond the snapshot, kept", mebibytes, goal{}, func(p inProcess) float64 { return p.Kept })
}
