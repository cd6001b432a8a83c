// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{4, 2}, 3}, {[]float64{9, 1, 2}, 2}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
}

func TestShow(t *testing.T) {
	for want, got := range map[string]string{
		"0.042 s": seconds.show(0.0421), "1.50 s": seconds.show(1.5), "34.6 MB/s": megabytes.show(34.56), "50255 objects/s": objects.show(50255.4),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestGoals(t *testing.T) {
	const mb = 1 << 20
	r := row{what: "check", unit: seconds, values: []float64{1, 2, 3}, rss: 100 * mb}
	for met, g := range map[string]goal{
		"":           {},
		"yes":        {below: 2.5, rss: 101 * mb},
		"no: s":      {below: 2, rss: 101 * mb},
		"no: RSS":    {least: 2, rss: 100 * mb},
		"no: s, RSS": {least: 2.5, rss: 50 * mb},
	} {
		r.goal = g
		if got := r.met(); got != met {
			t.Errorf("%+v: met %q, want %q", g, got, met)
		}
	}
}

func TestPrint(t *testing.T) {
	for _, goals := range []bool{true, false} {
		tab := table{goals: goals}
		tab.add(row{what: "check", size: "3 objects", unit: seconds, values: []float64{1, 2, 3}, goal: goal{below: 1.5}})
		tab.verdict("all found")
		var b strings.Builder
		if err := tab.print(&b); err != nil {
			t.Fatal(err)
		}
		promised := strings.Contains(b.String(), "< 1.50 s") && strings.Contains(b.String(), "no: s")
		if promised != goals || !strings.Contains(b.String(), "check  3 objects") || !strings.Contains(b.String(), "all found\n") {
			t.Errorf("goals %v:\n%s", goals, b.String())
		}
	}
}
