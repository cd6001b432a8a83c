// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// guard measures the decisions, the program that makes them in a cluster, and the
// policy beside it.
func (b *bencher) guard() error {
	if _, err := buildTool(b.root, "etcd"); err != nil {
		return err
	}
	if _, err := buildTool(b.root, "kube-apiserver"); err != nil {
		return err
	}
	for _, measure := range []func() error{b.deciding, b.serving, b.policies} {
		if err := measure(); err != nil {
			return err
		}
	}
	b.table.verdict("the guard is asked about, of a hundred: %s", says(mixture()))
	return nil
}

// part runs a part of this program and reads what it has found.
func (b *bencher) part(name string, into any, args ...string) error {
	file := b.tempFile(name + ".json")
	if err := runSelf(os.Stderr, append(append([]string{name}, args...), file)...); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (b *bencher) deciding() error {
	size, err := json.Marshal(guarded(b.sizes.full.Size))
	if err != nil {
		return err
	}
	saying("%d decisions", b.decisions)
	var d deciding
	if err := b.part("decide", &d, string(size), fmt.Sprint(b.decisions)); err != nil {
		return err
	}
	of := fmt.Sprintf("%d claims of %d objects", d.Claims, d.Objects)
	b.table.add(row{what: "guard: decision, half of them", size: fmt.Sprintf("%d, in %d parts", b.decisions, decisionParts), unit: micros, values: d.P50})
	b.table.add(row{what: "  99 of 100", size: of, unit: micros, values: d.P99, goal: goal{below: 1000}})
	b.table.add(row{what: "    of what is admitted", unit: micros, values: d.Admitted, goal: goal{below: 50}})
	b.table.add(row{what: "    of what is refused, and told why", unit: micros, values: d.Denied})
	b.table.add(row{what: "  the slowest", unit: micros, values: d.Most})
	for _, u := range []struct {
		what   string
		values []float64
	}{{"Service", d.Service}, {"Node", d.Node}} {
		b.table.add(row{what: "  update of a " + u.what + ", half of them", size: fmt.Sprint(updates), unit: micros, values: u.values[:1], goal: goal{below: 50}})
		b.table.add(row{what: "    99 of 100", unit: micros, values: u.values[1:]})
	}
	b.table.add(row{what: "  heap of the register", unit: mebibytes, values: []float64{d.Heap}})
	b.table.verdict("guard: %d decisions, %d refused, %d wrong", decisionParts*d.Decisions, d.Refused, d.Misread)
	if d.Misread > 0 {
		b.wrong = append(b.wrong, fmt.Sprintf("guard: %d decisions", d.Misread))
	}
	return nil
}

func (b *bencher) serving() error {
	size := guarded(b.sizes.full.Size)
	job, err := json.Marshal(servingJob{Guard: b.guardProgram, Size: size, Runs: b.few(), Seconds: b.asking})
	if err != nil {
		return err
	}
	var s serving
	if err := b.part("serve", &s, string(job)); err != nil {
		return err
	}
	b.table.add(row{what: "whohas-guard serve: start to ready", size: fmt.Sprintf("%d Nodes, %d Services", size.Nodes, size.Services), unit: seconds, values: s.Ready, goal: goal{below: 10}})
	b.table.add(row{what: "  answer over HTTPS, half of them", size: fmt.Sprintf("%d/s, %d at once", perSecond, atOnce), unit: millis, values: s.P50})
	b.table.add(row{what: "    99 of 100", size: fmt.Sprintf("%d in all", s.Asked), unit: millis, values: s.P99, goal: goal{below: 5}})
	b.table.add(row{what: "    the slowest", unit: millis, values: s.Most})
	b.table.add(row{what: "  resident, once audited", size: fmt.Sprintf("%d claims of %d objects", s.Claims, s.InRegister), unit: mebibytes, values: s.RSS, goal: goal{below: 150}})
	b.table.add(row{what: "  resident, after the questions", unit: mebibytes, values: s.Loaded, goal: goal{below: 150}})
	b.table.add(row{what: "    without the program's own file", unit: mebibytes, values: s.Anonymous})
	b.table.add(row{what: "  resident, the most", unit: mebibytes, values: s.Peak, goal: goal{below: 150}})
	b.table.verdict("whohas-guard serve: a kube-apiserver with %d objects, loaded in %.0f s; %d questions, %d wrong answers", s.Objects, s.Loading, s.Asked, s.Wrong)
	if s.Wrong > 0 {
		b.wrong = append(b.wrong, fmt.Sprintf("whohas-guard serve: %d answers, the last of %s", s.Wrong, s.FirstWrong))
	}
	return nil
}
