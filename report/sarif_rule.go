// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"

	"whohas/rule"
)

// GitHub takes so many characters of a rule's description.
const mostDescribing = 1024

func sarifRuleOf(r *rule.Rule) sarifRule {
	x := sarifRule{
		ID: r.ID, Name: r.Name,
		ShortDescription:     sarifMessage{Text: shortened(r.Doc.Problem)},
		FullDescription:      sarifMessage{Text: shortened(r.Doc.Problem + " " + r.Doc.Effect)},
		Help:                 ruleHelp(r),
		DefaultConfiguration: sarifConfiguration{levelOf(r.Severity)},
		Properties:           sarifRuleProperties{[]string{"kubernetes", "network", "ip-address"}, "high", problemSeverity(r.Severity)},
	}
	if len(r.Doc.Refs) > 0 {
		x.HelpURI = r.Doc.Refs[0]
	}
	return x
}

func shortened(text string) string {
	runes := []rune(strings.TrimSpace(text))
	if len(runes) <= mostDescribing {
		return string(runes)
	}
	return string(runes[:mostDescribing-3]) + "..."
}

func problemSeverity(s rule.Severity) string {
	if s == rule.Info {
		return "recommendation"
	}
	return levelOf(s)
}

func ruleHelp(r *rule.Rule) sarifMessage {
	var text, md strings.Builder
	for _, part := range []struct{ title, body string }{
		{"Problem", r.Doc.Problem}, {"Effect", r.Doc.Effect}, {"Why", r.Doc.Why}, {"Fix", r.Doc.Fix},
		{"Since", r.Doc.Since}, {"References", strings.Join(r.Doc.Refs, "\n")},
	} {
		if part.body == "" {
			continue
		}
		fmt.Fprintf(&text, "%s: %s\n", part.title, strings.ReplaceAll(part.body, "\n", ", "))
		if part.title == "References" {
			part.body = "- <" + strings.ReplaceAll(part.body, "\n", ">\n- <") + ">"
		}
		fmt.Fprintf(&md, "## %s\n\n%s\n\n", part.title, part.body)
	}
	return sarifMessage{strings.TrimSpace(text.String()), strings.TrimSpace(md.String())}
}
