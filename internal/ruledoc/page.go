// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"whohas/dataplane"
	"whohas/rule"
	"whohas/rules"
	"whohas/testkit/scenario"
)

// pages makes every page, by file name.
func pages(root string) (map[string]string, error) {
	out := map[string]string{}
	index := "# Rules\n\n" + written + "\n| ID | name | severity | problem |\n|---|---|---|---|\n"
	for _, r := range rules.All() {
		s, err := scenariosOf(root, r)
		if err != nil {
			return nil, err
		}
		out[r.ID+".md"] = page(r, s)
		index += fmt.Sprintf("| [%s](%s.md) | %s | %s | %s |\n", r.ID, r.ID, r.Name, s.severity(r), strings.ReplaceAll(r.Doc.Problem, "|", `\|`))
	}
	out["README.md"] = index
	return out, nil
}

const written = "<!-- Written by `go run ./internal/ruledoc` from the rules and their scenarios: change those. -->\n"

// scenarioName is without its ending, so that fires comes before fires-otherwise:
// the first one is the page's example.
func scenarioName(path string) string { return strings.TrimSuffix(filepath.Base(path), ".txtar") }

// scenarios are a rule's, sorted by name.
type scenarios struct {
	fires, quiet []*scenario.Scenario
}

func scenariosOf(root string, r *rule.Rule) (scenarios, error) {
	var all scenarios
	paths, err := filepath.Glob(filepath.Join(root, "rules", "testdata", r.ID, "*.txtar"))
	if err != nil {
		return all, err
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(scenarioName(a), scenarioName(b)) })
	for _, path := range paths {
		s, err := scenario.Load(path)
		if err != nil {
			return all, err
		}
		s.Name = filepath.ToSlash(strings.TrimPrefix(path, filepath.Clean(root)+string(filepath.Separator)))
		if len(findings(r, s)) > 0 {
			all.fires = append(all.fires, s)
		} else {
			all.quiet = append(all.quiet, s)
		}
	}
	return all, nil
}

var modes = []dataplane.ProxyMode{"", dataplane.IPVS, dataplane.IPTables, dataplane.NFTables, dataplane.EBPF}

// findings lists what a scenario wants of a rule, in any mode.
func findings(r *rule.Rule, s *scenario.Scenario) []string {
	var lines []string
	for _, m := range modes {
		for _, line := range s.Want[m] {
			if strings.HasPrefix(line, r.ID+" ") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// severity is the range of what the scenarios show.
func (s scenarios) severity(r *rule.Rule) string {
	seen := []rule.Severity{r.Severity}
	if len(s.fires) > 0 {
		seen = nil
	}
	for _, one := range s.fires {
		for _, line := range findings(r, one) {
			if severity, err := rule.ParseSeverity(strings.Fields(line)[1]); err == nil {
				seen = append(seen, severity)
			}
		}
	}
	from, to := slices.Min(seen), slices.Max(seen)
	if from == to {
		return to.String()
	}
	return from.String() + " to " + to.String()
}

func page(r *rule.Rule, s scenarios) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s %s\n\n%s\nSeverity: %s.\n", r.ID, r.Name, written, s.severity(r))
	for _, part := range []struct{ title, text string }{
		{"Problem", r.Doc.Problem}, {"Effect", r.Doc.Effect}, {"Why", r.Doc.Why}, {"Fix", r.Doc.Fix}, {"Since", r.Doc.Since},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", part.title, linked(r, part.text))
	}
	b.WriteString(conditions(r))
	if len(s.fires) > 0 {
		b.WriteString(example(s.fires[0]))
	}
	fmt.Fprintf(&b, "\n## Tests\n\n%d scenarios in which it fires and %d near misses in which it stays quiet, in [%s](../../%s).\n",
		len(s.fires), len(s.quiet), scenarioDir(r), scenarioDir(r))
	b.WriteString("\n## References\n\n")
	for _, ref := range r.Doc.Refs {
		fmt.Fprintf(&b, "- <%s>\n", ref)
	}
	return b.String()
}

func scenarioDir(r *rule.Rule) string { return "rules/testdata/" + r.ID }

// conditions tells what the rule needs, and what hides it.
func conditions(r *rule.Rule) string {
	var b strings.Builder
	for _, n := range r.Needs {
		fmt.Fprintf(&b, "- Needs %s, for %s.\n", n.Kind.Source(), n.For)
	}
	if len(r.After) > 0 {
		var ids []string
		for _, cause := range r.After {
			ids = append(ids, cause.ID)
		}
		slices.Sort(ids)
		fmt.Fprintf(&b, "- Not shown where %s tells of the same address, at least as severely, and of the same objects.\n", linked(r, strings.Join(ids, " or ")))
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n## When\n\n" + b.String()
}

var ruleID = regexp.MustCompile(`\bWH[0-9]{3}\b`)

// linked makes links of the rules that a text names.
func linked(r *rule.Rule, text string) string {
	return ruleID.ReplaceAllStringFunc(text, func(id string) string {
		known := slices.ContainsFunc(rules.All(), func(o *rule.Rule) bool { return o.ID == id })
		if !known || id == r.ID {
			return id
		}
		return "[" + id + "](" + id + ".md)"
	})
}

// example shows a scenario: where it comes from, its manifests, what is found.
func example(s *scenario.Scenario) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## Example\n\n%s\n>\n> [%s](../../%s)\n", header(s), filepath.Base(s.Name), s.Name)
	for _, m := range s.Manifests {
		language := cmp.Or(strings.TrimPrefix(filepath.Ext(m.Name), "."), "yaml")
		fence := "```"
		for strings.Contains(m.Text, fence) {
			fence += "`"
		}
		fmt.Fprintf(&b, "\n`%s`\n\n%s%s\n%s\n%s\n", m.Name, fence, language, strings.TrimRight(m.Text, "\n"), fence)
	}
	b.WriteString("\nIs found" + circumstances(s) + ":\n\n```\n" + strings.Join(s.Want[""], "\n") + "\n```\n")
	for _, o := range otherwise(s) {
		fmt.Fprintf(&b, "\nWith proxy mode %s:\n\n```\n%s\n```\n", strings.Join(o.modes, " or "), cmp.Or(o.found, "nothing"))
	}
	return b.String()
}

// outcome is what is found in some modes.
type outcome struct {
	found string
	modes []string
}

// otherwise lists what is found in other modes, where it is something else.
func otherwise(s *scenario.Scenario) []outcome {
	var out []outcome
	for _, m := range modes[1:] {
		want, ok := s.Want[m]
		if !ok || slices.Equal(want, s.Want[""]) {
			continue
		}
		found := strings.Join(want, "\n")
		i := slices.IndexFunc(out, func(o outcome) bool { return o.found == found })
		if i < 0 {
			i, out = len(out), append(out, outcome{found: found})
		}
		out[i].modes = append(out[i].modes, m.String())
	}
	return out
}

// header is a scenario's credit, as one paragraph with its links.
func header(s *scenario.Scenario) string {
	var lines []string
	for line := range strings.Lines(s.Header) {
		if line = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#")); line != "" {
			lines = append(lines, strings.TrimSuffix(line, "."))
		}
	}
	return "> " + strings.Join(lines, ".\n> ") + "."
}

// circumstances tells what is set beside the manifests.
func circumstances(s *scenario.Scenario) string {
	var parts []string
	if s.Mode != "" {
		parts = append(parts, fmt.Sprintf("with mode %s", s.Mode))
	}
	if s.Complete {
		parts = append(parts, "with all objects of these kinds known")
	}
	for _, c := range s.Reserved {
		parts = append(parts, fmt.Sprintf("with %s declared as %s", c.Text, c.By.Name))
	}
	if len(parts) == 0 {
		return ""
	}
	return ", " + strings.Join(parts, ", ")
}
