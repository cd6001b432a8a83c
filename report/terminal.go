// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"whohas/command"
	"whohas/rule"
)

// textWriter lays text out for a terminal. What it prints may come from
// anybody's manifest: control characters never reach the terminal.
type textWriter struct {
	TextOptions
	w       *bufio.Writer
	sources []string       // cited evidence, in the order of its numbers
	number  map[string]int // of a source
	tableOf *rule.Finding  // of which table holds the claimants
	table   map[string]bool
}

func (t *textWriter) printf(format string, args ...any) { fmt.Fprintf(t.w, format, args...) }

// wrap writes a paragraph in the width of the terminal, breaking at spaces.
func (t *textWriter) wrap(first, next, text string) {
	t.fill(first, next, strings.Fields(command.As(t.Program, text)))
}

// wrapItems writes a label and a list in the width of the terminal, breaking
// between items only.
func (t *textWriter) wrapItems(first, next, label string, items []string) {
	words := append(strings.Fields(label), items...)
	for i := len(words) - len(items); i < len(words)-1; i++ {
		words[i] += ","
	}
	t.fill(first, next, words)
}

// fill puts words on lines, none of them broken: a word that is longer than the
// line has one of its own.
func (t *textWriter) fill(first, next string, words []string) {
	indent, line := first, ""
	for _, word := range words {
		word = t.clean(word)
		if line != "" && visible(indent)+visible(line)+1+visible(word) > t.Width {
			t.printf("%s%s\n", indent, line)
			indent, line = next, ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	t.printf("%s\n", strings.TrimRight(indent+line, " "))
}

// row writes cells side by side, each padded to its column's width. A cell that
// does not fit goes to the next line, unbroken, indented by hang.
func (t *textWriter) row(indent string, hang int, widths []int, cells ...string) {
	line, begun := indent, false
	pad := 0 // blanks owed before the next cell
	for i, cell := range cells {
		cell = t.clean(cell)
		if cell != "" && visible(line)+pad+visible(cell) > t.Width {
			if begun {
				t.printf("%s\n", line)
			}
			line, pad = spaces(hang), 0
		}
		width := visible(cell)
		if cell != "" {
			line += spaces(pad) + cell
			pad, begun = 0, true
		}
		if i < len(widths) {
			pad += max(widths[i]-width, 0) + 2
		} else if cell != "" {
			pad = 2
		}
	}
	if begun {
		t.printf("%s\n", line)
	}
}

func spaces(n int) string { return strings.Repeat(" ", n) }

const (
	codeBold  = "\x1b[1m"
	codeDim   = "\x1b[2m"
	codeReset = "\x1b[0m"
)

var severityCodes = map[rule.Severity]string{
	rule.Critical: "\x1b[1;31m", rule.Error: "\x1b[31m", rule.Warning: "\x1b[33m", rule.Info: "\x1b[36m",
}

func (t *textWriter) bold(s string) string { return t.paint(codeBold, s) }

func (t *textWriter) dim(s string) string { return t.paint(codeDim, s) }

func (t *textWriter) color(s rule.Severity, text string) string {
	return t.paint(severityCodes[s], text)
}

func (t *textWriter) paint(code, s string) string {
	if !t.Color || s == "" {
		return s
	}
	return code + s + codeReset
}

// clean replaces what a terminal would obey instead of showing: control
// characters, those that turn the direction of the text, and bytes that are no
// text. The writer's own colours stay.
func (t *textWriter) clean(s string) string {
	s = broken(s)
	if utf8.ValidString(s) && !strings.ContainsFunc(s, obeyed) {
		return s
	}
	var out strings.Builder
	for s != "" {
		if n := t.code(s); n > 0 {
			out.WriteString(s[:n])
			s = s[n:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		if obeyed(r) {
			r = unicode.ReplacementChar
		}
		out.WriteRune(r)
		s = s[size:]
	}
	return out.String()
}

// code is the length of the writer's own colour code at the start of s, or 0.
func (t *textWriter) code(s string) int {
	if !t.Color || s[0] != '\x1b' {
		return 0
	}
	for _, c := range []string{codeBold, codeDim, codeReset} {
		if strings.HasPrefix(s, c) {
			return len(c)
		}
	}
	for _, c := range severityCodes {
		if strings.HasPrefix(s, c) {
			return len(c)
		}
	}
	return 0
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
