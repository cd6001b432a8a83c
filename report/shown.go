// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Shown is a text as it may stand on a terminal or in the log of a CI runner: it is
// read there and not obeyed. Control characters, those that turn the direction of text,
// and bytes that are no text are replaced; a runner's commands are broken up.
func Shown(text string) string {
	text = broken(text)
	if utf8.ValidString(text) && !strings.ContainsFunc(text, obeyed) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if obeyed(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// obeyed reports whether a terminal does something with a character instead of
// showing it.
func obeyed(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// What a CI runner takes for a command: ::name:: first in a line (actions/runner
// src/Runner.Common/ActionCommand.cs TryParseV2), and ##[name] or, in Azure Pipelines and
// TeamCity, ##word[name] anywhere in it (TryParse there).
var (
	lineCommand = regexp.MustCompile(`(^|\s)::(add-mask|add-matcher|add-path|debug|echo|endgroup|error|group|internal-set-repo-path|notice|remove-matcher|save-state|set-env|set-output|stop-commands|warning)\b`)
	markCommand = regexp.MustCompile(`##([A-Za-z]*\[)`)
)

// broken is a text in which no runner finds a command.
func broken(text string) string {
	if strings.Contains(text, "::") {
		text = lineCommand.ReplaceAllString(text, "$1: :$2")
	}
	if strings.Contains(text, "##") {
		text = markCommand.ReplaceAllString(text, "# #$1")
	}
	return text
}

// shownJSON passes JSON on to another writer, in another spelling of the same values:
// what a terminal or a runner would obey stands as \uXXXX. Each Write must hold whole
// strings.
type shownJSON struct{ w io.Writer }

func (s shownJSON) Write(p []byte) (int, error) {
	text := string(p)
	if strings.Contains(text, "##") {
		text = markCommand.ReplaceAllString(text, `\u0023#$1`)
	}
	// Outside of strings, and unescaped in them, JSON has no control characters but
	// line breaks and tabs.
	if strings.ContainsFunc(text, highObeyed) {
		var b strings.Builder
		for _, r := range text {
			if highObeyed(r) {
				fmt.Fprintf(&b, `\u%04x`, r)
			} else {
				b.WriteRune(r)
			}
		}
		text = b.String()
	}
	if _, err := io.WriteString(s.w, text); err != nil {
		return 0, err
	}
	return len(p), nil
}

func highObeyed(r rune) bool { return r >= 0x7f && obeyed(r) }
