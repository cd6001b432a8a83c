// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"whohas/command"
	"whohas/report"
	"whohas/rule"
)

// reports are those that are written in every format.
func reports(t testing.TB) map[string]*report.Report {
	base := world(t, "quiet")
	base.Base = true
	return map[string]*report.Report{
		"incident": world(t, "incident"), "quiet": world(t, "quiet"), "many": world(t, "many"), "base": base,
		"incomplete": incomplete(t), "kernel": kernel(), "empty": {Tool: "v1.2.3"},
	}
}

func TestText(t *testing.T) {
	for name, r := range reports(t) {
		for _, width := range []int{60, 100} {
			for _, color := range []bool{false, true} {
				file := fmt.Sprintf("%s.%d.txt", name, width)
				if color {
					file = fmt.Sprintf("%s.%d.color.txt", name, width)
				}
				t.Run(file, func(t *testing.T) {
					got := written(t, report.Text(report.TextOptions{Width: width, Color: color}), r)
					lawful(t, r, got, width, color)
					if !color || name == "incident" {
						golden(t, file, got)
					}
				})
			}
		}
	}
}

// lawful checks what holds for every text.
func lawful(t *testing.T, r *report.Report, text string, width int, color bool) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.TrimRight(line, " \t") != line {
			t.Errorf("line %d ends in spaces: %q", i+1, line)
		}
	}
	if strings.Contains(text, "\x1b") && !color {
		t.Error("colour codes without colour")
	}
	plain := withoutCodes(text)
	if color && plain != written(t, report.Text(report.TextOptions{Width: width}), r) {
		t.Error("colour changes the layout")
	}
	if len(r.Findings) > 0 {
		first := strings.Join(strings.Fields(strings.Join(strings.Split(plain, "\n")[:2], " ")), " ")
		if !strings.HasPrefix(first, strings.ToUpper(r.Findings[0].Severity.String())+" "+r.Findings[0].Title[:40]) {
			t.Errorf("the answer is not in the first two lines: %q", first)
		}
	}
	for i := range r.Findings {
		if n := strings.Count(strings.Join(strings.Fields(plain), " "), strings.Join(strings.Fields(r.Findings[i].Title), " ")); n != 1 {
			t.Errorf("the title %q stands there %d times", r.Findings[i].Title, n)
		}
		commands(t, &r.Findings[i], plain)
	}
	tooWide(t, r, plain, width)
}

// commands must stand whole on lines of their own, a chain broken behind each &&.
func commands(t *testing.T, f *rule.Finding, text string) {
	t.Helper()
	for _, fix := range f.Chain.Fixes {
		for _, s := range fix.Steps {
			if !s.Line().IsZero() && !strings.Contains(text, "\n       "+strings.Join(s.Line().Pieces(), "\n       ")+"\n") {
				t.Errorf("not on a line of its own: %s", s.Line())
			}
		}
	}
}

// tooWide allows a line over the width only where it is one word or a command.
func tooWide(t *testing.T, r *report.Report, text string, width int) {
	t.Helper()
	whole := map[string]bool{}
	for _, f := range r.Findings {
		for _, fix := range f.Chain.Fixes {
			for _, s := range fix.Steps {
				for _, piece := range s.Line().Pieces() {
					whole[piece] = true
				}
			}
		}
		for _, c := range f.Claimants {
			whole[c.By.String()], whole[string(c.Part)+"  "+c.By.String()] = true, true
			whole[c.Origin.Host+", "+c.Origin.Table] = true
		}
	}
	for i, line := range strings.Split(text, "\n") {
		word := strings.TrimSpace(line)
		if len([]rune(line)) > width && strings.Contains(word, " ") && !whole[word] && i > 0 {
			t.Errorf("line %d is wider than %d: %q", i+1, width, line)
		}
	}
}

func withoutCodes(s string) string {
	for _, code := range []string{"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[1;31m", "\x1b[31m", "\x1b[33m", "\x1b[36m"} {
		s = strings.ReplaceAll(s, code, "")
	}
	return s
}

// TestTextFleet: what a large cluster would fill pages with is shortened.
func TestTextFleet(t *testing.T) {
	r := fleet(t)
	got := written(t, report.Text(report.TextOptions{Width: 100}), r)
	golden(t, "fleet.100.txt", got)
	if n := strings.Count(got, "\n"); n > 120 {
		t.Errorf("%d lines", n)
	}
}

// TestTextObeysNobody: a manifest cannot move the cursor, recolour the terminal
// or turn the text around.
func TestTextObeysNobody(t *testing.T) {
	r := kernel()
	f := &r.Findings[0]
	f.Title = "evil \x1b[2J\x1b]0;x\a \u202etxt \x9b31m end"
	f.Claimants[0].By.Name = "a\x1b[1A"
	f.Claimants[0].Origin.Table = "b\rc\nd"
	f.Chain.Fixes[0].Steps[0].Command = command.Shell("echo {}", "\x1b[2K\u2066")
	for _, color := range []bool{false, true} {
		got := withoutCodes(written(t, report.Text(report.TextOptions{Width: 80, Color: color}), r))
		if strings.ContainsAny(got, "\x1b\a\r\u202e\u2066\u009b") || !utf8.ValidString(got) {
			t.Errorf("colour %v: control characters reach the terminal: %q", color, got)
		}
	}
}
