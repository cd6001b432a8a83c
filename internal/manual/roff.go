// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
)

// roff is a page in the making, in the language of man(7).
type roff struct{ strings.Builder }

func (r *roff) line(text string) { r.WriteString(text + "\n") }

func (r *roff) section(title string) { r.macro("SH", title) }

// macro writes a request with its arguments, each quoted where it must be.
func (r *roff) macro(name string, args ...string) {
	r.WriteString("." + name)
	for _, a := range args {
		a = strings.ReplaceAll(text(a), `"`, `\(dq`)
		if strings.Contains(a, " ") {
			a = `"` + a + `"`
		}
		r.WriteString(" " + a)
	}
	r.WriteString("\n")
}

// prose writes a help text: what is indented stands as it is, the rest is filled.
func (r *roff) prose(help string) {
	for i, paragraph := range strings.Split(strings.Trim(help, "\n"), "\n\n") {
		if i > 0 {
			r.macro("PP")
		}
		lines := strings.Split(strings.Trim(paragraph, "\n"), "\n")
		for len(lines) > 0 {
			n := 1
			for n < len(lines) && indented(lines[n]) == indented(lines[0]) {
				n++
			}
			if indented(lines[0]) {
				r.asItStands(dedent(strings.Join(lines[:n], "\n")))
			} else {
				for _, l := range lines[:n] {
					r.line(text(l))
				}
			}
			lines = lines[n:]
		}
	}
}

func indented(line string) bool { return strings.HasPrefix(line, " ") }

// asItStands keeps the line ends and the spaces.
func (r *roff) asItStands(block string) {
	r.macro("RS", "4")
	r.macro("nf")
	for _, l := range strings.Split(block, "\n") {
		r.line(text(l))
	}
	r.macro("fi")
	r.macro("RE")
}

// dedent takes off the spaces that all lines begin with.
func dedent(block string) string {
	lines := strings.Split(strings.Trim(block, "\n"), "\n")
	least := -1
	for _, l := range lines {
		if n := len(l) - len(strings.TrimLeft(l, " ")); l != "" && (least < 0 || n < least) {
			least = n
		}
	}
	for i, l := range lines {
		lines[i] = strings.TrimRight(l[min(least, len(l)):], " ")
	}
	return strings.Join(lines, "\n")
}

var special = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "…", "...")

// comesFirst is what would make a line a request.
var comesFirst = regexp.MustCompile(`(?m)^\.`)

// text is what reads as s: no character of it is roff's, and a command can be copied.
func text(s string) string { return comesFirst.ReplaceAllString(special.Replace(s), `\&.`) }
