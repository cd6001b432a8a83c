// SPDX-License-Identifier: Apache-2.0

package plainyaml

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// scalar is one as it is written, without the quotes.
type scalar struct {
	text   []byte
	quote  byte // 0: none
	spaced bool // in brackets: spaces follow
}

// scalar makes the node of a scalar. What a plain one is, the library says
// (ShortTag resolves its value).
func (m *Memory) scalar(s scalar, line int) *yaml.Node {
	n := m.node(yaml.ScalarNode, line)
	n.Value = m.string(s.text)
	switch s.quote {
	case '"':
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	case '\'':
		n.Tag, n.Style = "!!str", yaml.SingleQuotedStyle
	default:
		n.Tag = "!!str"
		if maybeWord(s.text) {
			n.Tag = ""
			n.Tag = n.ShortTag()
		}
	}
	return n
}

// keyOf makes a key; ok is false for one that is no string: null, 80, or << which merges.
func (m *Memory) keyOf(s scalar, line int) (n *yaml.Node, ok bool) {
	n = m.scalar(s, line)
	return n, n.Tag == "!!str"
}

// colon finds the one that ends a plain key, or -1.
func colon(text []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(text[at:], ':')
		if i < 0 {
			return -1
		}
		at += i
		if at+1 == len(text) || text[at+1] == ' ' {
			return at
		}
		at++
	}
}

// plainStart reports whether a plain scalar can begin so.
func plainStart(text []byte) bool {
	return !indicators[text[0]] || text[0] == '-' && len(text) > 1 && text[1] != ' '
}

var indicators = func() (is [256]bool) {
	for _, c := range "-?:,[]{}#&*!|>'\"%@`" {
		is[c] = true
	}
	return is
}()

// escapes are those that are read in double quotes.
var escapes = [256]byte{'"': '"', '\\': '\\', 'n': '\n', 't': '\t'}

// unquote reads a quoted scalar that ends on its line.
func unquote(text []byte) (inner, behind []byte, ok bool) {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			if i+1 == len(text) || escapes[text[i+1]] == 0 {
				return nil, nil, false
			}
			if inner == nil {
				inner = append(make([]byte, 0, len(text)), text[1:i]...)
			}
			i++
			inner = append(inner, escapes[text[i]])
		case text[i] == quote && quote == '\'' && i+1 < len(text) && text[i+1] == quote:
			if inner == nil {
				inner = append(make([]byte, 0, len(text)), text[1:i]...)
			}
			i++
			inner = append(inner, quote)
		case text[i] == quote:
			if inner == nil {
				inner = text[1:i]
			}
			return inner, text[i+1:], true
		case inner != nil:
			inner = append(inner, text[i])
		}
	}
	return nil, nil, false
}

// flat cuts a scalar out of the rest of its line.
func flat(text []byte) (s scalar, ok bool) {
	if text[0] == '"' || text[0] == '\'' {
		inner, behind, ok := unquote(text)
		return scalar{text: inner, quote: text[0]}, ok && blankOrComment(behind)
	}
	if !plainStart(text) || colon(text) >= 0 {
		return s, false
	}
	if i := comment(text); i >= 0 {
		text = bytes.TrimRight(text[:i], " ")
	}
	return scalar{text: text}, true
}

// comment finds where one begins behind a plain scalar, or -1.
func comment(text []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(text[at:], '#')
		if i < 0 {
			return -1
		}
		if at += i; at > 0 && text[at-1] == ' ' {
			return at - 1
		}
		at++
	}
}

// maybeWord reports whether a plain scalar may be something else than a string.
func maybeWord(text []byte) bool {
	return len(text) <= len("false") || text[0] < 'A' || text[0] == '~'
}

func blankOrComment(text []byte) bool {
	shown := bytes.TrimLeft(text, " ")
	return len(shown) == 0 || len(shown) < len(text) && shown[0] == '#'
}
