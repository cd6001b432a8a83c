// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"whohas/rule"
)

// GitHub shows so many annotations of each type for one step.
const mostAnnotations = 10

var _ = reports.add("github", plain(GitHub))

// GitHub writes the findings as workflow commands, which become annotations:
// one for each finding, at the first intruder that stands in a file. The worst
// come first, since GitHub passes over what exceeds its limit; the log keeps all.
func GitHub(w io.Writer, r *Report) error {
	b := bufio.NewWriter(w)
	most := 0
	count := map[string]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		kind := annotationOf(f.Severity)
		count[kind]++
		most = max(most, count[kind])
		fmt.Fprintf(b, "::%s %s::%s\n", kind, annotationProperties(f), dataEscapes.Replace(message(f)))
	}
	if most > mostAnnotations {
		fmt.Fprintf(b, "whohas: %s; GitHub shows the first %d of each type, this log has all\n", strings.TrimSuffix(tally(r), "."), mostAnnotations)
	}
	return b.Flush()
}

func annotationOf(s rule.Severity) string {
	switch s {
	case rule.Critical, rule.Error:
		return "error"
	case rule.Warning:
		return "warning"
	}
	return "notice"
}

func annotationProperties(f *rule.Finding) string {
	var props []string
	for _, c := range f.Intruders() {
		if !inFile(c.Origin.File) {
			continue
		}
		props = append(props, "file="+Shown(propertyEscapes.Replace(filepath.ToSlash(c.Origin.File))))
		if c.Origin.Line > 0 {
			props = append(props, fmt.Sprintf("line=%d", c.Origin.Line))
		}
		break
	}
	return strings.Join(append(props, "title="+propertyEscapes.Replace(f.Rule.ID+" "+f.Rule.Name)), ",")
}

// inFile reports whether an origin's file is one that a reader can open: not
// standard input, not a page of the web.
func inFile(file string) bool {
	return file != "" && file != "-" && !strings.Contains(file, "://")
}

// The escapes of the runner (actions/runner ActionCommand.cs): a line break in a
// manifest must not begin another command.
var (
	dataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)
