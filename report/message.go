// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"whohas/explain"
	"whohas/rule"
)

// An annotation or alert shows so many effects; the report has all.
const mostEffects = 3

// message is a finding in words, for places that have no layout of their own:
// what is wrong, why, the first effects, and how to end it.
func message(f *rule.Finding) string {
	m := &prose{}
	m.finding(f)
	return m.text()
}

// messageMarkdown is the same as Markdown.
func messageMarkdown(f *rule.Finding) string {
	m := &prose{markdown: true}
	m.finding(f)
	return m.text()
}

type prose struct {
	lines    []string
	markdown bool
}

func (m *prose) text() string {
	lines := make([]string, len(m.lines))
	for i, line := range m.lines {
		lines[i] = Shown(line)
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func (m *prose) finding(f *rule.Finding) {
	if m.markdown {
		m.lines = append(m.lines, "**"+m.escape(f.Title)+"**", "")
	} else {
		m.lines = append(m.lines, f.Title)
	}
	if why := f.Chain.Cause.Text; !told(f, why) {
		m.paragraph("Why: " + why)
	}
	m.effects(slices.DeleteFunc(slices.Clone(f.Chain.Impacts), func(l explain.Impact) bool { return repeats(f, l) }))
	for i, fix := range f.Chain.Fixes {
		m.fix(i, fix)
	}
}

func (m *prose) effects(losses []explain.Impact) {
	if len(losses) == 0 {
		return
	}
	m.paragraph("What it breaks:")
	for i, l := range losses {
		if i == mostEffects {
			m.item("- ", fmt.Sprintf("and %s", plural(len(losses)-i, "more effect")))
			break
		}
		text := l.Text
		if len(l.Lost) > 0 {
			text += " (lost: " + strings.Join(l.Lost, ", ") + ")"
		}
		if l.Certainty == explain.Assumed {
			text += " (assumed)"
		}
		m.item("- ", text)
	}
	m.gap()
}

func (m *prose) fix(i int, fix explain.Fix) {
	label := "Fix: "
	if i > 0 {
		label = "Or: "
	}
	m.paragraph(label + fix.Text)
	for k, s := range fix.Steps {
		m.item(fmt.Sprintf("%d. ", k+1), stepText(s))
		if line := s.Line().String(); line != "" {
			m.command(line)
		}
	}
	m.gap()
}

func (m *prose) paragraph(text string) {
	m.lines = append(m.lines, m.escape(text))
	m.gap()
}

func (m *prose) item(mark, text string) { m.lines = append(m.lines, mark+m.escape(text)) }

func (m *prose) command(line string) {
	if m.markdown {
		m.lines = append(m.lines, "", "   ```sh", "   "+line, "   ```", "")
		return
	}
	m.lines = append(m.lines, "   "+line)
}

// gap is the empty line that Markdown wants between its blocks.
func (m *prose) gap() {
	if m.markdown && len(m.lines) > 0 && m.lines[len(m.lines)-1] != "" {
		m.lines = append(m.lines, "")
	}
}

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "#", `\#`)

// escape keeps what stands in a manifest from becoming a link or a tag.
func (m *prose) escape(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if m.markdown {
		return markdownEscapes.Replace(text)
	}
	return text
}
