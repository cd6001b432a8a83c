// SPDX-License-Identifier: Apache-2.0

// Package plainyaml reads the plain YAML that kubectl prints and most people write: maps
// and lists by indentation, scalars on one line, literal texts, brackets on one line. It is
// many times faster than the library, because it makes nothing of what is passed over. What
// is not plain, and what is wrong in some way, it refuses, and the library decides.
package plainyaml

import (
	"bytes"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	maxDepth = 200     // of maps and lists in one another
	maxNodes = 1 << 18 // of one text
	maxKey   = 512     // bytes: the library follows none longer than 1024 characters
)

// Passed stands for the value of a key that is passed over.
var Passed = &yaml.Node{}

// Read reads a text that is one map; with item, one item of a list that is a map, with its
// dash. want gives what is wanted below a key of a map, or false for nothing. What is wanted
// of a list is so of its items.
//
// The nodes are those that the library makes of the text, but that they have no comments
// and columns, and that a value which is not wanted is Passed. They are good until the next
// Read with the same memory. A text that shows nothing has no root. ok is false where the
// library must decide: nothing is known then.
func Read[W any](m *Memory, text []byte, item bool, wanted W, want func(W, string) (W, bool)) (root *yaml.Node, ok bool) {
	if !plainText(text) {
		return nil, false
	}
	m.forget()
	b := &block[W]{lines: lines{text: text}, memory: m, want: want}
	b.advance()
	if b.over {
		return nil, true
	}
	if b.dash() != item || item && !b.undash() {
		return nil, false
	}
	root, ok = b.mapping(wanted, true, 0)
	return root, ok && b.over
}

// plainText reports whether a text holds nothing but shown characters and line
// ends that are line feeds.
func plainText(text []byte) bool {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\n' || c-' ' < 0x7f-' ' {
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if c < utf8.RuneSelf || !plainRune(r, size) {
			return false
		}
		i += size - 1
	}
	return len(text) > 0 && text[len(text)-1] == '\n'
}

// plainRune reports whether a character beyond ASCII is a plain one: YAML has
// other line ends there, and some that must not stand in it.
func plainRune(r rune, size int) bool {
	switch {
	case r == utf8.RuneError && size == 1, r == '\u2028', r == '\u2029', r == '\ufeff':
		return false
	}
	return r >= 0xa0 && r <= 0xfffd || r >= 0x10000
}

// lines goes through a text line by line.
type lines struct {
	text []byte
	next int // where the line behind the current one begins

	indent int    // of the current line's text
	rest   []byte // its text, from the indentation to the last character shown
	row    int    // its number in the text, from 1
	over   bool   // there is no further line
}

// advance goes to the next line that shows something other than a comment.
func (l *lines) advance() {
	for l.next < len(l.text) {
		line := l.text[l.next:]
		end := bytes.IndexByte(line, '\n')
		line = line[:end]
		l.next += end + 1
		l.row++
		n := 0
		for n < len(line) && line[n] == ' ' {
			n++
		}
		if n < len(line) && line[n] != '#' {
			l.indent, l.rest = n, bytes.TrimRight(line[n:], " ")
			return
		}
	}
	l.over, l.indent, l.rest = true, -1, nil
}

// dash reports whether the line is an item of a list.
func (l *lines) dash() bool {
	return len(l.rest) > 0 && l.rest[0] == '-' && (len(l.rest) == 1 || l.rest[1] == ' ')
}

// undash goes to what stands behind the dash, if something does.
func (l *lines) undash() bool {
	n := 1
	for n < len(l.rest) && l.rest[n] == ' ' {
		n++
	}
	if n == len(l.rest) || l.rest[n] == '#' {
		return false
	}
	l.indent, l.rest = l.indent+n, l.rest[n:]
	return true
}

// literal passes over the lines of a literal text, which are indented deeper than col, and
// gives them, if they are kept, with their line ends.
func (l *lines) literal(col int, keep bool) (out []byte, ok bool) {
	width, blank := -1, 0 // of the indentation; of the blank lines before it is known
	for l.next < len(l.text) {
		line := l.text[l.next:]
		line = line[:bytes.IndexByte(line, '\n')]
		n := 0
		for n < len(line) && line[n] == ' ' {
			n++
		}
		switch {
		case n == len(line) && width < 0:
			blank = max(blank, n)
		case n == len(line):
		case width < 0:
			if width = n; n <= col || blank > n {
				return nil, false
			}
		case n < width:
			return out, n <= col
		}
		if keep {
			if width >= 0 && len(line) > width {
				out = append(out, line[width:]...)
			}
			out = append(out, '\n')
		}
		l.next += len(line) + 1
		l.row++
	}
	return out, width >= 0
}
