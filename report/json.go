// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"whohas/dataplane"
	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// APIVersion is the version of every JSON document that whohas writes.
const APIVersion = "whohas/v1"

type envelope struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Version    string         `json:"version"`
	Complete   bool           `json:"complete"`
	Coverage   []jsonCoverage `json:"coverage"`
}

type jsonReport struct {
	envelope
	Summary jsonSummary `json:"summary"`
	// findings, symptoms and suppressed follow, written one by one
}

type jsonSummary struct {
	Findings      int              `json:"findings"`
	BySeverity    map[string]int   `json:"bySeverity"`
	Objects       int              `json:"objects"`
	Addresses     int              `json:"addresses"`
	ProxyMode     string           `json:"proxyMode"`
	ProxyModeFrom string           `json:"proxyModeFrom"`
	FirstNotReady *jsonNotReady    `json:"firstNotReady,omitempty"`
	Concluded     []jsonConclusion `json:"concluded"`
}

type jsonNotReady struct {
	Node string `json:"node"`
	At   string `json:"at"`
}

type jsonConclusion struct {
	Subject string `json:"subject"`
	Value   string `json:"value"`
	From    string `json:"from"`
	Field   string `json:"field,omitempty"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
}

type jsonFinding struct {
	Rule        string         `json:"rule"`
	Name        string         `json:"name"`
	Severity    string         `json:"severity"`
	Address     string         `json:"address,omitempty"`
	Range       string         `json:"range,omitempty"`
	Fingerprint string         `json:"fingerprint"`
	Title       string         `json:"title"`
	Cause       string         `json:"cause,omitempty"`
	Evidence    []string       `json:"causeEvidence,omitempty"`
	Claimants   []jsonClaimant `json:"claimants"`
	Effects     []jsonEffect   `json:"effects"`
	Notes       []jsonNote     `json:"notes,omitempty"`
	Fixes       []jsonFix      `json:"fixes"`
}

type jsonClaimant struct {
	Kind   string `json:"kind"`
	Object string `json:"object"`
	Field  string `json:"field,omitempty"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Node   string `json:"node,omitempty"`
	Table  string `json:"table,omitempty"`
	Role   string `json:"role"`
	Value  string `json:"value,omitempty"`
	Ports  string `json:"ports,omitempty"`
	Since  string `json:"since,omitempty"`
	By     string `json:"by,omitempty"`
	Keeper string `json:"keeper,omitempty"`
}

type jsonEffect struct {
	Text      string     `json:"text"`
	Nodes     []string   `json:"nodes"`
	Loses     []string   `json:"loses"`
	Certainty string     `json:"certainty"`
	Evidence  []string   `json:"evidence"`
	Flows     []jsonFlow `json:"flows,omitempty"`
}

// jsonFlow leaves the nodes out where they are the effect's own: with thousands
// of nodes they would be most of the report.
type jsonFlow struct {
	From        []string `json:"from,omitempty"`
	To          []string `json:"to,omitempty"`
	Flow        string   `json:"flow"`
	Disposition string   `json:"disposition"`
	Basis       string   `json:"basis"`
}

type jsonNote struct {
	Text     string   `json:"text"`
	Evidence []string `json:"evidence,omitempty"`
}

// jsonFix is one step. Steps of one way out follow each other and name it; where
// there are several ways, one of them is enough. A way without steps is one
// entry with no command.
type jsonFix struct {
	Text    string `json:"text"`
	Command string `json:"command"`

	NoCommand string `json:"noCommand,omitempty"` // why there is none
	Where     string `json:"where"`
	Way       string `json:"way,omitempty"`
}

type jsonSuppressed struct {
	jsonFinding
	Reason string `json:"reason"`
	Until  string `json:"until,omitempty"`
	Source string `json:"allowedBy"`
}

type jsonCoverage struct {
	Source   string `json:"source"`
	Status   string `json:"status"`
	Count    int    `json:"count"`
	Complete bool   `json:"complete,omitempty"`
	Detail   string `json:"detail,omitempty"`
	Line     int    `json:"line,omitempty"`
}

var _ = reports.add("json", plain(JSON))

// JSON writes the report for scripts.
func JSON(w io.Writer, r *Report) error {
	out := jsonReport{envelope: newEnvelope("Report", r.Tool, r.Complete(), r.Coverage), Summary: summary(r)}
	head, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	s := jsonStream{w: shownJSON{w}}
	s.text(strings.TrimSuffix(string(head), "\n}"))
	s.list("findings", len(r.Findings), func(i int) any { return jsonFindingOf(&r.Findings[i]) })
	if len(r.Hidden) > 0 {
		s.list("symptoms", len(r.Hidden), func(i int) any { return jsonFindingOf(&r.Hidden[i]) })
	}
	s.list("suppressed", len(r.Suppressed), func(i int) any {
		a := &r.Suppressed[i]
		return jsonSuppressed{jsonFindingOf(&a.Finding), a.Reason, a.Until, a.By}
	})
	s.text("\n}\n")
	return s.err
}

// jsonStream writes the long lists of a report item by item: with thousands of
// nodes in each finding, the whole report as one value would take more memory
// than the check.
type jsonStream struct {
	w   io.Writer
	err error
}

func (s *jsonStream) text(text string) {
	if s.err == nil {
		_, s.err = io.WriteString(s.w, text)
	}
}

func (s *jsonStream) list(name string, n int, item func(int) any) {
	s.text(",\n  \"" + name + "\": [")
	for i := range n {
		if i > 0 {
			s.text(",")
		}
		s.text("\n    ")
		s.value(item(i))
	}
	if n > 0 {
		s.text("\n  ")
	}
	s.text("]")
}

func (s *jsonStream) value(v any) {
	if s.err != nil {
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("    ", "  ")
	if s.err = enc.Encode(v); s.err == nil {
		s.text(strings.TrimSuffix(b.String(), "\n"))
	}
}

func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(shownJSON{w})
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func newEnvelope(kind, tool string, complete bool, coverage []snapshot.Coverage) envelope {
	e := envelope{APIVersion: APIVersion, Kind: kind, Version: tool, Complete: complete, Coverage: []jsonCoverage{}}
	for _, c := range coverage {
		e.Coverage = append(e.Coverage, jsonCoverage{c.Source, string(c.Status), c.Count, c.Complete, c.Detail, c.Line})
	}
	return e
}

func summary(r *Report) jsonSummary {
	s := jsonSummary{Findings: len(r.Findings), BySeverity: map[string]int{}, Objects: r.Objects, Addresses: r.Addresses,
		ProxyMode: dataplane.ModeUnknown.String(), Concluded: []jsonConclusion{}}
	for _, c := range r.counts() {
		s.BySeverity[c.severity.String()] = c.n
	}
	if r.Facts == nil {
		return s
	}
	s.ProxyMode, s.ProxyModeFrom = r.Facts.Mode.String(), r.Facts.ModeFrom
	if n := r.Facts.FirstNotReady; n.Node != "" {
		s.FirstNotReady = &jsonNotReady{n.Node, n.At.UTC().Format(time.RFC3339)}
	}
	for _, c := range r.Facts.Conclusions {
		s.Concluded = append(s.Concluded, jsonConclusion{c.Subject, c.Value, c.From, c.Origin.Field, c.Origin.File, c.Origin.Line})
	}
	return s
}

func jsonFindings(findings []rule.Finding) []jsonFinding {
	out := make([]jsonFinding, len(findings))
	for i := range findings {
		out[i] = jsonFindingOf(&findings[i])
	}
	return out
}

func jsonFindingOf(f *rule.Finding) jsonFinding {
	j := jsonFinding{
		Rule: f.Rule.ID, Name: f.Rule.Name, Severity: f.Severity.String(), Fingerprint: f.Fingerprint(),
		Title: f.Title, Cause: f.Chain.Cause.Text, Evidence: f.Chain.Cause.Evidence,
		Claimants: []jsonClaimant{}, Effects: []jsonEffect{}, Fixes: []jsonFix{},
	}
	switch {
	case f.Address().IsValid():
		j.Address = f.Address().String()
	case f.Range.IsValid():
		j.Range = f.Range.String()
	}
	for _, c := range f.Claimants {
		j.Claimants = append(j.Claimants, jsonClaimantOf(c))
	}
	for _, l := range f.Chain.Impacts {
		j.Effects = append(j.Effects, jsonEffectOf(l))
	}
	for _, n := range f.Chain.Notes {
		j.Notes = append(j.Notes, jsonNote(n))
	}
	for _, fix := range f.Chain.Fixes {
		j.Fixes = append(j.Fixes, jsonFixesOf(fix)...)
	}
	return j
}

func jsonStep(s explain.Step) jsonFix {
	line := s.Line()
	return jsonFix{Text: s.Text, Command: line.String(), NoCommand: line.Refused(), Where: s.Where}
}

func jsonFixesOf(f explain.Fix) []jsonFix {
	if len(f.Steps) == 0 {
		return []jsonFix{{Text: f.Text}}
	}
	out := make([]jsonFix, len(f.Steps))
	for i, s := range f.Steps {
		out[i] = jsonStep(s)
		out[i].Way = f.Text
	}
	return out
}

func jsonClaimantOf(c rule.Claimant) jsonClaimant {
	j := jsonClaimant{
		Kind: string(c.Kind), Object: c.By.String(), Field: c.Origin.Field, File: c.Origin.File, Line: c.Origin.Line,
		Node: c.Origin.Host, Table: c.Origin.Table, Role: string(c.Part), Value: c.Text, Ports: c.Ports.String(), By: c.Writer, Keeper: c.Keeper,
	}
	if !c.Since.IsZero() {
		j.Since = c.Since.UTC().Format(time.RFC3339)
	}
	return j
}

func jsonEffectOf(l explain.Impact) jsonEffect {
	j := jsonEffect{Text: l.Text, Nodes: orEmpty(l.Nodes), Loses: orEmpty(l.Lost), Certainty: string(l.Certainty), Evidence: orEmpty(l.Evidence)}
	for _, e := range l.Effects {
		flow := jsonFlow{Flow: e.Flow.String(), Disposition: e.Disposition.String(), Basis: e.Basis}
		if !slices.Equal(e.From, l.Nodes) {
			flow.From = e.From
		}
		if !sameNames(e.To, l.Nodes) {
			flow.To = e.To
		}
		j.Flows = append(j.Flows, flow)
	}
	return j
}

func sameNames(a, b []string) bool { return strings.Join(a, ",") == strings.Join(b, ",") }

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
