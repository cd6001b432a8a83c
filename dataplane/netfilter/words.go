// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"errors"
	"strings"
)

// word is an argument of a rule. A quoted one is a value whatever it looks like.
type word struct {
	text   string
	quoted bool
}

// words splits a rule as iptables-restore does (iptables xshared.c
// add_param_to_argv, v1.8.9): white space parts, double quotes hold together, and
// a backslash counts inside quotes only.
func words(text string) ([]word, error) {
	var out []word
	var b strings.Builder
	in, quoted, escaped := false, false, false // in a word; in quotes; after a backslash
	was := false                               // the word had quotes
	for i := range len(text) {
		c := text[i]
		switch {
		case escaped:
			b.WriteByte(c)
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted, in, was = !quoted, true, true
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			if in {
				out = append(out, word{b.String(), was})
			}
			b.Reset()
			in, was = false, false
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if quoted {
		return nil, errors.New("a quotation does not end")
	}
	if in {
		out = append(out, word{b.String(), was})
	}
	return out, nil
}

// option reports whether the word begins an option or negates one, and is no value:
// a negative number is a value.
func (w word) option() bool {
	return !w.quoted && (w.text == "!" || len(w.text) > 1 && w.text[0] == '-' && (w.text[1] < '0' || w.text[1] > '9'))
}

// quote writes a value so that words reads it back.
func quote(text string) string {
	if text != "" && text != "!" && text[0] != '-' && !strings.ContainsAny(text, " \t\r\n\"\\") {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
