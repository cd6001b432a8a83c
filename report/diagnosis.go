// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"

	"whohas/diagnose"
	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// Diagnosis is what whohas diagnose writes.
type Diagnosis struct {
	diagnose.Diagnosis
	Tool     string
	Coverage []snapshot.Coverage
}

// Complete reports whether everything that was looked at could be read.
func (d *Diagnosis) Complete() bool { return (&Report{Coverage: d.Coverage}).Complete() }

var diagnoseWords = map[diagnose.Verdict]string{
	diagnose.Cause: "CAUSE FOUND", diagnose.Unrelated: "NOT THIS", diagnose.Healthy: "HEALTHY", diagnose.Unknown: "COULD NOT TELL",
}

var _ = diagnoses.add("text", DiagnosisText)

// DiagnosisText writes the diagnosis for people at three in the morning: the cause,
// what to do, then why, and the whole search as a table at the end.
func DiagnosisText(o TextOptions) func(io.Writer, *Diagnosis) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	return func(w io.Writer, d *Diagnosis) error {
		t := textWriter{w: bufio.NewWriter(w), TextOptions: o}
		word := diagnoseWords[d.Verdict]
		severity := rule.Info
		if d.Cause != nil {
			severity = d.Cause.Severity
		}
		t.wrap(t.color(severity, word)+"  ", spaces(len(word)+2), d.Title)
		t.wrap("", "", d.tally())
		t.steps("next", d.Next)
		t.links("which Service", d.Service)
		if d.Cause != nil {
			t.printf("\n")
			t.losses(d.Cause)
			t.notes(d.Cause)
		}
		t.explained(d)
		t.ruledOut(d)
		t.links("what does not help", d.Ineffective)
		t.others(d)
		t.checks(d)
		t.evidence()
		return t.w.Flush()
	}
}

// tally is the second line: what was looked at.
func (d *Diagnosis) tally() string {
	problems, unknown, explained := 0, 0, 0
	for _, c := range d.Checks {
		switch {
		case c.Outcome == diagnose.Problem && c.Because != "":
			problems, explained = problems+1, explained+1
		case c.Outcome == diagnose.Problem:
			problems++
		case c.Outcome == diagnose.Missing:
			unknown++
		}
	}
	text := fmt.Sprintf("%s: %s, %s", d.Host, plural(len(d.Checks), "check"), plural(problems, "problem"))
	if explained > 0 {
		text += fmt.Sprintf(", %d of them explained by it", explained)
	}
	if unknown > 0 {
		text += fmt.Sprintf(", %d not known", unknown)
	}
	return text + "."
}

func (t *textWriter) steps(title string, steps []explain.Step) {
	if len(steps) == 0 {
		return
	}
	t.printf("\n")
	t.heading(title)
	for i, s := range steps {
		t.step(i, s)
	}
}

func (t *textWriter) links(title string, links []explain.Link) {
	if len(links) == 0 {
		return
	}
	t.printf("\n")
	t.heading(title)
	for _, l := range links {
		t.wrap("    - ", "      ", l.Text+t.cite(&rule.Finding{}, l.Evidence))
	}
}

// explained lists the symptoms under their cause.
func (t *textWriter) explained(d *Diagnosis) {
	headed := false
	for _, c := range d.Checks {
		if c.Because == "" {
			continue
		}
		if !headed {
			t.printf("\n")
			t.heading("what it explains here")
			headed = true
		}
		t.wrap("    - ", "      ", c.Name+": "+c.Text)
	}
}

// ruledOut names the usual suspects that are well, on one line: the search has why.
func (t *textWriter) ruledOut(d *Diagnosis) {
	if d.Cause == nil {
		return
	}
	var names []string
	for _, c := range d.Checks {
		ill := slices.ContainsFunc(d.Checks, func(o diagnose.Check) bool { return o.Name == c.Name && o.Outcome != diagnose.OK })
		if !ill && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	if len(names) > 0 {
		t.printf("\n")
		t.heading("what it is not")
		t.wrapItems("    ", "    ", "", names)
	}
}

func (t *textWriter) others(d *Diagnosis) {
	for i := range d.Others {
		f := &d.Others[i]
		if i == 0 {
			t.printf("\n")
			t.heading("also found")
		}
		t.wrap("    - ", "      ", fmt.Sprintf("%s %s: %s", t.color(f.Severity, f.Rule.ID), f.Severity, f.Title))
	}
}

// checks is the table of the search.
func (t *textWriter) checks(d *Diagnosis) {
	t.printf("\n")
	t.heading("the search")
	name := 0
	for _, c := range d.Checks {
		name = max(name, len(c.Name))
	}
	for _, c := range d.Checks {
		outcome := string(c.Outcome)
		if c.Outcome == diagnose.Problem {
			outcome = t.color(rule.Error, outcome)
		}
		pad := spaces(8 - len(c.Outcome))
		t.wrap(fmt.Sprintf("    %s%s %s%s  ", outcome, pad, c.Name, spaces(name-len(c.Name))), spaces(4+8+1+name+2), c.Text+t.cite(&rule.Finding{}, c.Evidence))
	}
}

type jsonDiagnosis struct {
	envelope
	Host    string        `json:"host"`
	Verdict string        `json:"verdict"`
	Title   string        `json:"title"`
	Cause   *jsonFinding  `json:"cause"`
	Others  []jsonFinding `json:"others"`
	Service []jsonNote    `json:"service"`
	Useless []jsonNote    `json:"useless"`
	Checks  []jsonCheck   `json:"checks"`
	Next    []jsonFix     `json:"next"`
}

type jsonCheck struct {
	Name     string   `json:"name"`
	Outcome  string   `json:"outcome"`
	Text     string   `json:"text"`
	Evidence []string `json:"evidence"`
	Because  string   `json:"because,omitempty"`
}

var _ = diagnoses.add("json", plain(DiagnosisJSON))

// DiagnosisJSON writes the diagnosis for scripts (docs/diagnosis.schema.json).
func DiagnosisJSON(w io.Writer, d *Diagnosis) error {
	out := jsonDiagnosis{
		envelope: newEnvelope("Diagnosis", d.Tool, d.Complete(), d.Coverage), Host: d.Host, Verdict: string(d.Verdict), Title: d.Title,
		Others: jsonFindings(d.Others), Service: jsonNotes(d.Service), Useless: jsonNotes(d.Ineffective), Checks: []jsonCheck{}, Next: jsonSteps(d.Next),
	}
	if d.Cause != nil {
		cause := jsonFindingOf(d.Cause)
		out.Cause = &cause
	}
	for _, c := range d.Checks {
		out.Checks = append(out.Checks, jsonCheck{c.Name, string(c.Outcome), c.Text, orEmpty(c.Evidence), c.Because})
	}
	return encode(w, out)
}

func jsonSteps(steps []explain.Step) []jsonFix {
	out := make([]jsonFix, len(steps))
	for i, s := range steps {
		out[i] = jsonStep(s)
	}
	return out
}

func jsonNotes(links []explain.Link) []jsonNote {
	out := make([]jsonNote, len(links))
	for i, l := range links {
		out[i] = jsonNote(l)
	}
	return out
}
