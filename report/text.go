// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// TextOptions are what a terminal needs.
type TextOptions struct {
	Width int // columns; 0 means 100
	Color bool
}

// Text writes the report for people: the answer in the first two lines, then
// each finding from the cause to the fix. Rules of the text: sentences without
// exclamation marks, commands on lines of their own that can be copied whole,
// no line broken inside a command or an address.
func Text(o TextOptions) Format {
	if o.Width <= 0 {
		o.Width = 100
	}
	return func(w io.Writer, r *Report) error {
		t := textWriter{w: bufio.NewWriter(w), TextOptions: o}
		t.answer(r)
		for i := range r.Findings {
			t.finding(r, &r.Findings[i])
		}
		t.suppressed(r)
		t.drawn(r)
		t.coverage(r)
		return t.w.Flush()
	}
}

type textWriter struct {
	TextOptions
	w *bufio.Writer
}

func (t *textWriter) printf(format string, args ...any) { fmt.Fprintf(t.w, format, args...) }

// answer is the two lines that people read first.
func (t *textWriter) answer(r *Report) {
	if len(r.Findings) == 0 {
		t.answerQuiet(r)
		return
	}
	var parts []string
	for _, c := range r.counts() {
		parts = append(parts, fmt.Sprintf("%d %s", c.n, c.severity))
	}
	first := r.Findings[0]
	t.wrap("", "", t.color(first.Severity, strings.ToUpper(first.Severity.String()))+"  "+first.Title)
	t.wrap("", "", fmt.Sprintf("%s: %s. %s", plural(len(r.Findings), "finding"), strings.Join(parts, ", "), t.readLine(r)))
}

func (t *textWriter) answerQuiet(r *Report) {
	if r.Complete() {
		t.printf("No conflict found.\n")
	} else {
		t.printf("No conflict found in what could be read; not everything could.\n")
	}
	t.wrap("", "", t.readLine(r))
}

func (t *textWriter) readLine(r *Report) string {
	line := fmt.Sprintf("%s read, %s claimed", plural(r.Objects, "object"), plural(r.Addresses, "address"))
	if r.Facts != nil {
		line += ", proxy mode " + r.Facts.Mode.String()
	}
	if !r.Complete() {
		line += "; incomplete, see the end"
	}
	return line + "."
}

func (t *textWriter) finding(r *Report, f *rule.Finding) {
	t.printf("\n%s %s %s", t.color(f.Severity, f.Rule.ID), f.Rule.Name, f.Severity)
	if f.Place() != "" {
		t.printf("  %s", t.bold(f.Place()))
	}
	t.printf("\n")
	t.wrap("  ", "  ", f.Title)
	t.claimants(r, f)
	t.losses(f)
	t.notes(f)
	t.fixes(f)
}

func (t *textWriter) heading(text string) { t.printf("  %s\n", t.bold(text)) }

func (t *textWriter) claimants(r *Report, f *rule.Finding) {
	if len(f.Claimants) == 0 {
		return
	}
	t.heading("who")
	for _, c := range f.Claimants {
		t.wrap("    ", "      ", fmt.Sprintf("%-8s  %s  %s%s", c.Part, c.By, c.Origin.Field, place(c.Origin)))
		if h := history(c); h != "" {
			t.wrap("                ", "                ", h)
		}
	}
	if nr := notReady(r); nr != "" {
		t.wrap("    ", "      ", nr)
	}
}

// history is since when and through whom a claim stands.
func history(c rule.Claimant) string {
	var parts []string
	if !c.Since.IsZero() {
		parts = append(parts, "since "+c.Since.UTC().Format(time.RFC3339))
	}
	if c.Writer != "" {
		parts = append(parts, "written by "+c.Writer)
	}
	if c.Keeper != "" && c.Part != rule.Owner {
		parts = append(parts, "kept by "+c.Keeper+", which would put it back")
	}
	return strings.Join(parts, ", ")
}

func notReady(r *Report) string {
	if r.Facts == nil || r.Facts.FirstNotReady.Node == "" {
		return ""
	}
	first := r.Facts.FirstNotReady
	return fmt.Sprintf("the first node that went NotReady: %s, at %s", first.Node, first.At.UTC().Format(time.RFC3339))
}

func (t *textWriter) losses(f *rule.Finding) {
	if f.Chain.Cause.Text != "" {
		t.heading("why")
		t.wrap("    ", "    ", f.Chain.Cause.Text)
	}
	if len(f.Chain.Losses) == 0 {
		return
	}
	t.heading("what it breaks")
	for _, l := range f.Chain.Losses {
		text := l.Text
		if len(l.Loses) > 0 {
			text += " [lost: " + strings.Join(l.Loses, ", ") + "]"
		}
		if l.Certainty == explain.Assumed {
			text += " (assumed)"
		}
		t.wrap("    - ", "      ", text)
	}
}

func (t *textWriter) notes(f *rule.Finding) {
	if len(f.Chain.Notes) == 0 {
		return
	}
	t.heading("note")
	for _, n := range f.Chain.Notes {
		t.wrap("    - ", "      ", n.Text)
	}
}

func (t *textWriter) fixes(f *rule.Finding) {
	if len(f.Chain.Fixes) == 0 {
		return
	}
	t.heading("fix")
	for _, fix := range f.Chain.Fixes {
		t.wrap("    ", "    ", fix.Text)
		for i, s := range fix.Steps {
			t.wrap(fmt.Sprintf("    %d. ", i+1), "       ", fmt.Sprintf("on %s: %s", s.Where, s.Text))
			if line := s.Line(); line != "" {
				t.printf("       %s\n", t.bold(line))
			}
		}
	}
}

func (t *textWriter) suppressed(r *Report) {
	if len(r.Suppressed) == 0 {
		return
	}
	t.printf("\n%s\n", t.bold("suppressed"))
	for _, s := range r.Suppressed {
		line := fmt.Sprintf("%s %s %s: %s (%s", s.Finding.Rule.ID, s.Finding.Place(), s.Finding.Severity, s.Reason, s.By)
		if s.Until != "" {
			line += ", until " + s.Until
		}
		t.wrap("  ", "    ", line+")")
	}
}

// drawn tells what was concluded, and from what.
func (t *textWriter) drawn(r *Report) {
	if r.Facts == nil || len(r.Facts.Conclusions) == 0 {
		return
	}
	t.printf("\n%s\n", t.bold("concluded"))
	for _, c := range r.Facts.Conclusions {
		t.wrap("  ", "    ", fmt.Sprintf("%s: %s, from %s%s", c.Subject, c.Value, c.From, place(c.Origin)))
	}
}

func (t *textWriter) coverage(r *Report) {
	if len(r.Coverage) == 0 {
		return
	}
	t.printf("\n%s\n", t.bold("read"))
	for _, c := range r.Coverage {
		line := c.Source
		if c.Line > 0 {
			line = fmt.Sprintf("%s:%d", c.Source, c.Line)
		}
		if c.Status != snapshot.StatusRead {
			line += " " + string(c.Status)
		}
		if c.Count > 0 {
			line += fmt.Sprintf(" %d", c.Count)
		}
		if c.Complete {
			line += " (complete)"
		}
		if c.Detail != "" {
			line += ": " + c.Detail
		}
		t.wrap("  ", "    ", line)
	}
}

func place(o snapshot.Origin) string {
	switch {
	case o.File != "" && o.Line > 0:
		return fmt.Sprintf("  (%s:%d)", o.File, o.Line)
	case o.File != "":
		return "  (" + o.File + ")"
	case o.Host != "":
		return "  (" + o.Host + ", " + o.Table + ")"
	}
	return ""
}

// wrap writes a paragraph in the width of the terminal, breaking at spaces.
func (t *textWriter) wrap(first, next, text string) {
	indent, line := first, ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(indent)+visible(line)+1+visible(word) > t.Width {
			t.printf("%s%s\n", indent, line)
			indent, line = next, ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	t.printf("%s%s\n", indent, line)
}

// visible is a text's width without colour codes.
func visible(s string) int {
	n := 0
	inCode := false
	for _, r := range s {
		switch {
		case r == '\x1b':
			inCode = true
		case inCode:
			inCode = r != 'm'
		default:
			n++
		}
	}
	return n
}

func (t *textWriter) bold(s string) string {
	if !t.Color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

func (t *textWriter) color(s rule.Severity, text string) string {
	if !t.Color {
		return text
	}
	code := map[rule.Severity]string{rule.Critical: "1;31", rule.Error: "31", rule.Warning: "33", rule.Info: "36"}[s]
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
