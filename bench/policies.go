// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// policies measures the policy's forms in the apiserver's own plugin, beside the
// guard. The plugin is a test's: no released program holds it.
func (b *bencher) policies() error {
	saying("the policy's forms, in the apiserver's plugin, %d times", b.few())
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkWrite$", "-benchtime", "300x", "-count", fmt.Sprint(b.few()), "./guard/policy")
	var stdout bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.root, &stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("measure the policy: %w\n%s", err, stdout.Bytes())
	}
	rows := policyRows(stdout.String())
	if len(rows) == 0 {
		return fmt.Errorf("measure the policy: no figures in:\n%s", stdout.Bytes())
	}
	for _, r := range rows {
		b.table.add(r)
	}
	return nil
}

// figure is one value of a line of `go test -bench`.
var figure = regexp.MustCompile(`\s([0-9.]+) (p50|p99)-ns`)

// policyRows reads the lines of `go test -bench`, in their order:
// BenchmarkWrite/FORM/SIZE/claims-2  300  2712345 ns/op  ... 2650000 p50-ns  3912345 p99-ns
func policyRows(text string) []row {
	var rows []row
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, " ")
		parts := strings.Split(strings.TrimPrefix(name, "BenchmarkWrite/"), "/")
		if len(parts) != 3 || !strings.HasPrefix(name, "BenchmarkWrite/") {
			continue
		}
		sort, _, _ := strings.Cut(parts[2], "-") // behind it stands GOMAXPROCS
		what := "policy " + parts[0] + ", a write that " + map[string]string{"claims": "claims an address", "plain": "claims none"}[sort]
		for _, m := range figure.FindAllStringSubmatch(rest, -1) {
			value, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				continue
			}
			label := map[string]string{"p50": ": half of them", "p99": ": 99 of 100"}[m[2]]
			rows = addTo(rows, row{what: what + label, size: parts[1] + " addresses", unit: millis, values: []float64{value / 1e6}})
		}
	}
	return rows
}

// addTo adds a row, or its value to the one that is there from another run.
func addTo(rows []row, r row) []row {
	i := slices.IndexFunc(rows, func(x row) bool { return x.what == r.what && x.size == r.size })
	if i < 0 {
		return append(rows, r)
	}
	rows[i].values = append(rows[i].values, r.values...)
	return rows
}
