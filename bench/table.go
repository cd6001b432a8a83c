// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// unit is what a number is of.
type unit string

const (
	seconds   unit = "s"
	millis    unit = "ms"
	micros    unit = "µs"
	megabytes unit = "MB/s"
	objects   unit = "objects/s"
	mebibytes unit = "MiB"
	times     unit = "x"
)

// show gives three digits at least: more would be noise.
func (u unit) show(v float64) string {
	digits := 0
	switch {
	case v < 1:
		digits = 3
	case v < 10:
		digits = 2
	case v < 100:
		digits = 1
	}
	return fmt.Sprintf("%.*f %s", digits, v, string(u))
}

// goal is a promise about the median and about memory. Zero is none.
type goal struct {
	below, least float64
	rss          int64
}

// row is one line of the table.
type row struct {
	what, size string
	unit       unit
	values     []float64
	rss        int64
	goal       goal
}

// table is all that was measured. Goals are for the full size only.
type table struct {
	goals    bool
	rows     []row
	verdicts []string
	loads    []string
}

// load notes how busy the machine is: figures from a busy one say little, and those of
// the slowest in a hundred nothing.
func (t *table) load(when string) {
	text, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 2 {
		t.loads = append(t.loads, "load average "+when+" "+strings.Join(fields[:3], " "))
	}
}

// verdict adds a line about what was found.
func (t *table) verdict(format string, args ...any) {
	t.verdicts = append(t.verdicts, fmt.Sprintf(format, args...))
}

func (t *table) add(r row) {
	if !t.goals {
		r.goal = goal{}
	}
	t.rows = append(t.rows, r)
}

func (t *table) print(w io.Writer) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "WHAT\tSIZE\tGOAL\tMEDIAN\tMIN\tMAX\tRSS MAX\tMET")
	for _, r := range t.rows {
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.what, r.size, r.promise(), r.unit.show(median(r.values)),
			r.unit.show(slices.Min(r.values)), r.unit.show(slices.Max(r.values)), resident(r.rss), r.met())
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	machine := append([]string{runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, fmt.Sprintf("GOMAXPROCS %d", runtime.GOMAXPROCS(0))}, t.loads...)
	_, err := fmt.Fprintf(w, "\n%s\n%s\n", strings.Join(t.verdicts, "\n"), strings.Join(machine, ", "))
	return err
}

func (r row) promise() string {
	var all []string
	if r.goal.below > 0 {
		all = append(all, "< "+r.unit.show(r.goal.below))
	}
	if r.goal.least > 0 {
		all = append(all, ">= "+r.unit.show(r.goal.least))
	}
	if r.goal.rss > 0 {
		all = append(all, "< "+mib(r.goal.rss))
	}
	return strings.Join(all, ", ")
}

// met reports whether the figures keep the promise, and which one does not.
func (r row) met() string {
	var not []string
	m := median(r.values)
	if r.goal.below > 0 && m >= r.goal.below || r.goal.least > 0 && m < r.goal.least {
		not = append(not, string(r.unit))
	}
	if r.goal.rss > 0 && r.rss >= r.goal.rss {
		not = append(not, "RSS")
	}
	switch {
	case r.goal == goal{}:
		return ""
	case len(not) > 0:
		return "no: " + strings.Join(not, ", ")
	}
	return "yes"
}

// resident shows what is too little to be measured as such.
func resident(rss int64) string {
	switch {
	case rss == 0:
		return ""
	case rss <= ownPeak():
		return "<= " + mib(rss)
	}
	return mib(rss)
}

func mib(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
