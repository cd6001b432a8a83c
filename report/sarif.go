// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"whohas/check"
	"whohas/rule"
	"whohas/snapshot"
)

// The limits of GitHub's code scanning; it refuses, or passes over, what exceeds
// them. What is cut is said in a notification or in the result.
const (
	mostResults   = 25_000
	mostShown     = 5_000
	mostLocations = 1_000 // of one result
	mostLinks     = 10    // to related locations, in a message: our own
)

// homepage is the project's page; empty until it has one.
const homepage = ""

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

var _ = reports.add("sarif", plain(SARIF))

// SARIF writes the report as SARIF 2.1.0, within the limits of GitHub's code
// scanning. A finding that is about no object (WH901) is a notification of the
// run: GitHub refuses a whole file for one result without a location
// (github/codeql-action#1738).
func SARIF(w io.Writer, r *Report) error {
	s := sarifWriter{rules: sarifRules(r)}
	for i := range r.Findings {
		s.finding(&r.Findings[i])
	}
	for i := range r.Suppressed {
		s.suppressed(&r.Suppressed[i])
	}
	s.coverage(r)
	s.limits()
	run := sarifRun{
		Tool:        sarifTool{sarifDriver{Name: "whohas", Version: r.Tool, InformationURI: homepage, Rules: []sarifRule{}}},
		Invocations: []sarifInvocation{{successful(r), append([]sarifNotification{}, s.notes...)}},
		Results:     append([]sarifResult{}, s.results...),
	}
	for _, x := range s.rules {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(x))
	}
	return encode(w, sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}})
}

func successful(r *Report) bool {
	return !slices.ContainsFunc(r.Coverage, func(c snapshot.Coverage) bool { return c.Failed })
}

type sarifWriter struct {
	rules   []*rule.Rule
	results []sarifResult
	notes   []sarifNotification
	cut     int // results beyond the limit
	unfiled int // results that no file holds
}

// sarifRules lists the rules that the report speaks of, sorted by ID.
func sarifRules(r *Report) []*rule.Rule {
	var list []*rule.Rule
	add := func(f *rule.Finding) {
		if !slices.Contains(list, f.Rule) {
			list = append(list, f.Rule)
		}
	}
	for i := range r.Findings {
		add(&r.Findings[i])
	}
	for i := range r.Hidden {
		add(&r.Hidden[i])
	}
	for i := range r.Suppressed {
		add(&r.Suppressed[i].Finding)
	}
	slices.SortFunc(list, func(a, b *rule.Rule) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func (s *sarifWriter) finding(f *rule.Finding) {
	if len(f.Claimants) == 0 {
		i := slices.Index(s.rules, f.Rule)
		s.notes = append(s.notes, sarifNotification{Rule: &sarifDescriptor{f.Rule.ID, &i}, Level: levelOf(f.Severity), Message: sarifMessage{Text: message(f)}})
		return
	}
	s.add(f, nil)
}

func (s *sarifWriter) suppressed(x *Suppressed) {
	why := sarifSuppression{Kind: "external", Status: "accepted", Justification: x.Reason}
	if strings.HasSuffix(x.By, check.AllowAnnotation) {
		why.Kind = "inSource"
	}
	if x.Until != "" {
		why.Justification += " (until " + x.Until + ")"
	}
	if len(x.Finding.Claimants) > 0 {
		s.add(&x.Finding, []sarifSuppression{why})
	}
}

func (s *sarifWriter) add(f *rule.Finding, why []sarifSuppression) {
	if len(s.results) == mostResults {
		s.cut++
		return
	}
	at, related, more := locationsOf(f)
	if at[0].Physical == nil {
		s.unfiled++
	}
	tail := links(related)
	if more > 0 {
		tail += fmt.Sprintf("\n%s not listed: a result may have %d", plural(more, "more place"), mostLocations)
	}
	s.results = append(s.results, sarifResult{
		RuleID: f.Rule.ID, RuleIndex: slices.Index(s.rules, f.Rule), Level: levelOf(f.Severity),
		Message:   sarifMessage{Text: message(f) + tail, Markdown: messageMarkdown(f) + strings.ReplaceAll(tail, "\n", "\n\n")},
		Locations: at, RelatedLocations: related,
		PartialFingerprints: map[string]string{"whohas/v1": f.Fingerprint()},
		Suppressions:        why,
		Properties:          sarifResultProperties{f.Severity.String(), f.Place()},
	})
}

// locationsOf lists where the intruders stand, and the others, and counts what
// is over the limit. Where one of the intruders is in a file, whatever is in none
// is left to the message: GitHub refuses a location without a file.
func locationsOf(f *rule.Finding) (at, related []sarifLocation, more int) {
	intruders := f.Intruders()
	if len(intruders) == 0 {
		intruders = f.Claimants
	}
	filed := slices.ContainsFunc(intruders, func(c rule.Claimant) bool { return physical(c.Origin) != nil })
	var all []sarifLocation
	seen := map[string]bool{}
	for i, c := range slices.Concat(intruders, f.Claimants) {
		key := fmt.Sprintf("%s|%s|%s|%s", c.By.Group, c.By, where(c.Origin), c.Origin.Field)
		if l := locationOf(c); !seen[key] && (l.Physical != nil || !filed) {
			seen[key] = true
			all = append(all, l)
		}
		if i < len(intruders) {
			at = all
		}
	}
	related = all[len(at):]
	if more = len(all) - mostLocations; more > 0 {
		at = at[:min(len(at), mostLocations)]
		related = related[:mostLocations-len(at)]
	}
	for i := range related {
		related[i].ID = i + 1
	}
	return at, related, max(more, 0)
}

func locationOf(c rule.Claimant) sarifLocation {
	return sarifLocation{
		Physical: physical(c.Origin), Logical: []sarifLogical{{c.By.String(), "resource"}},
		Message: &sarifMessage{Text: strings.TrimSpace(fmt.Sprintf("%s: %s %s", c.Part, c.By, c.Origin.Field))},
	}
}

// links name the related locations: GitHub shows only those that a message
// links to.
func links(related []sarifLocation) string {
	var parts []string
	for i, l := range related {
		if i == mostLinks {
			parts = append(parts, fmt.Sprintf("and %d more", len(related)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("[%s](%d)", linkEscapes.Replace(l.Message.Text), l.ID))
	}
	if len(parts) == 0 {
		return ""
	}
	return "\nSee " + strings.Join(parts, ", ")
}

var linkEscapes = strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`)

func physical(o snapshot.Origin) *sarifPhysical {
	a, ok := artifact(o.File)
	if !ok {
		return nil
	}
	p := &sarifPhysical{Artifact: a}
	if o.Line > 0 {
		p.Region = &sarifRegion{o.Line}
	}
	return p
}

// artifact is a file as a URI: relative ones from the root of the sources.
func artifact(file string) (sarifArtifact, bool) {
	if strings.HasPrefix(file, "http://") || strings.HasPrefix(file, "https://") {
		u, err := url.Parse(file)
		if err != nil {
			return sarifArtifact{}, false
		}
		return sarifArtifact{URI: u.String()}, true
	}
	if !inFile(file) {
		return sarifArtifact{}, false
	}
	if filepath.IsAbs(file) {
		return sarifArtifact{URI: "file:///" + strings.TrimPrefix(escapePath(file), "/")}, true
	}
	return sarifArtifact{URI: escapePath(file), Base: "%SRCROOT%"}, true
}

// escapePath gives a path with slashes and percent-encoding, without "./". A
// colon in it would make the first part a scheme.
func escapePath(file string) string {
	parts := strings.Split(path.Clean(filepath.ToSlash(file)), "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(p), ":", "%3A")
	}
	return strings.Join(parts, "/")
}

func levelOf(s rule.Severity) string {
	switch s {
	case rule.Critical, rule.Error:
		return "error"
	case rule.Warning:
		return "warning"
	}
	return "note"
}

// coverage turns what could not be read into notifications.
func (s *sarifWriter) coverage(r *Report) {
	for _, c := range r.Coverage {
		level := ""
		switch {
		case c.Failed:
			level = "error"
		case unread(c):
			level = "warning"
		case c.Status == snapshot.StatusAbsent && !c.Complete:
			level = "note"
		default:
			continue
		}
		n := sarifNotification{Descriptor: &sarifDescriptor{ID: "coverage/" + string(c.Status)}, Level: level, Message: sarifMessage{Text: coverageLine(c)}}
		if at := physical(snapshot.Origin{File: c.Source, Line: c.Line}); c.Line > 0 && at != nil {
			n.Locations = []sarifLocation{{Physical: at}}
		}
		s.notes = append(s.notes, n)
	}
}

// limits says what GitHub will not show or not take.
func (s *sarifWriter) limits() {
	note := func(level, format string, args ...any) {
		s.notes = append(s.notes, sarifNotification{Descriptor: &sarifDescriptor{ID: "limits"}, Level: level, Message: sarifMessage{Text: fmt.Sprintf(format, args...)}})
	}
	if s.cut > 0 {
		note("warning", "%s left out: a run may have %d; the worst are there", plural(s.cut, "result"), mostResults)
	}
	if len(s.results) > mostShown {
		note("note", "%d results: GitHub shows %d of them", len(s.results), mostShown)
	}
	if s.unfiled > 0 {
		note("note", "%s of objects that stand in no file: GitHub's code scanning takes only results in files", plural(s.unfiled, "result"))
	}
}
