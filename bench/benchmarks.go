// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"
)

// base is a unit as benchstat knows it, and how many of it one of ours is.
var base = map[unit]struct {
	name string
	of   float64
}{
	seconds: {"sec/op", 1}, millis: {"sec/op", 1e-3}, micros: {"sec/op", 1e-6},
	megabytes: {"B/s", 1e6}, objects: {"objects/s", 1}, mebibytes: {"B", 1 << 20}, times: {"x", 1},
}

// benchmarks writes every figure as a line of go test's benchmarks, one for each run, so
// that benchstat compares two commits. A row that is indented is of the one above it.
func (t *table) benchmarks(w io.Writer) error {
	lines := benchfmt.NewWriter(w)
	above := map[int]string{}    // by depth
	sizes := map[string]string{} // the first of each name
	for _, r := range t.rows {
		depth := (len(r.what) - len(strings.TrimLeft(r.what, " "))) / 2
		name := identifier(r.what)
		if r.what == "" { // a further figure of the row before
			depth, name = 1, identifier(string(r.unit))
		}
		if depth > 0 {
			name = above[depth-1] + "/" + name
		}
		above[depth] = name
		if first, ok := sizes[name]; ok && first != r.size {
			name += "/" + identifier(r.size)
		}
		sizes[name] = r.size
		for i, v := range r.values {
			b := base[r.unit]
			result := &benchfmt.Result{Name: benchfmt.Name(name), Iters: 1, Values: []benchfmt.Value{{Value: v * b.of, Unit: b.name}}}
			if i == 0 && r.rss > 0 {
				result.Values = append(result.Values, benchfmt.Value{Value: float64(r.rss), Unit: "peak-RSS-B"})
			}
			if err := lines.Write(result); err != nil {
				return fmt.Errorf("write benchmarks: %w", err)
			}
		}
	}
	return nil
}

// identifier is a text as the name of a benchmark: "99 of 100" is 99Of100.
func identifier(text string) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// keep writes the benchmark lines to a file; "" names none.
func (t *table) keep(path string) error {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(t.benchmarks(file), file.Close())
}
