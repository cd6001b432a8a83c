// SPDX-License-Identifier: Apache-2.0

package plainyaml

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// block reads maps and lists by their indentation.
type block[W any] struct {
	lines
	memory *Memory
	want   func(W, string) (W, bool)
}

// mapping reads a map whose first key is the current line's text.
func (b *block[W]) mapping(w W, keep bool, depth int) (n *yaml.Node, ok bool) {
	if depth >= maxDepth {
		return nil, false
	}
	col, line, from := b.indent, b.row, len(b.memory.open)
	for !b.over && b.indent == col && !b.dash() {
		if !b.entry(w, keep, depth) {
			return nil, false
		}
	}
	if b.indent > col {
		return nil, false
	}
	if !keep {
		return Passed, true
	}
	n = b.memory.node(yaml.MappingNode, line)
	n.Tag = "!!map"
	return b.memory.close(n, from), true
}

// entry reads a key and its value. Of what is not kept, no key is made.
func (b *block[W]) entry(w W, keep bool, depth int) bool {
	if b.memory.made > maxNodes {
		return false
	}
	col, row := b.indent, b.row
	k, text, ok := b.key()
	if !ok {
		return false
	}
	if !keep {
		_, ok = b.member(text, col, w, false, depth)
		return ok
	}
	key, ok := b.memory.keyOf(k, row)
	if !ok {
		return false
	}
	below, wanted := b.want(w, key.Value)
	at := len(b.memory.open)
	b.memory.open = append(b.memory.open, key, Passed)
	v, ok := b.member(text, col, below, wanted, depth)
	if ok {
		b.memory.open[at+1] = v
	}
	return ok
}

// key splits a line of a map; ok is false where the line is none.
func (b *block[W]) key() (k scalar, value []byte, ok bool) {
	text := b.rest
	if c := text[0]; c == '"' || c == '\'' {
		inner, behind, ok := unquote(text)
		if !ok || len(behind) == 0 || behind[0] != ':' || len(behind) > 1 && behind[1] != ' ' || len(text)-len(behind) > maxKey {
			return k, nil, false
		}
		return scalar{text: inner, quote: c}, behind[1:], true
	}
	end := colon(text)
	if end <= 0 || end > maxKey || !plainStart(text) || text[end-1] == ' ' || comment(text[:end]) >= 0 {
		return k, nil, false
	}
	return scalar{text: text[:end]}, text[end+1:], true
}

// member reads the value of a key whose line goes on with text.
func (b *block[W]) member(text []byte, col int, w W, keep bool, depth int) (n *yaml.Node, ok bool) {
	if !blankOrComment(text) {
		return b.inline(text, col, w, keep, depth)
	}
	row := b.row
	b.advance()
	switch {
	case b.indent > col:
		return b.nested(w, keep, depth)
	case b.indent == col && b.dash():
		return b.list(w, keep, depth+1)
	}
	return b.null(keep, row), true
}

// null is a value that nothing stands for.
func (b *block[W]) null(keep bool, row int) *yaml.Node {
	if !keep {
		return Passed
	}
	n := b.memory.node(yaml.ScalarNode, row)
	n.Tag = "!!null"
	return n
}

// nested reads a map or a list that begins with the current line.
func (b *block[W]) nested(w W, keep bool, depth int) (*yaml.Node, bool) {
	if b.dash() {
		return b.list(w, keep, depth+1)
	}
	return b.mapping(w, keep, depth+1)
}

// list reads a list whose first item begins with the current line.
func (b *block[W]) list(w W, keep bool, depth int) (n *yaml.Node, ok bool) {
	if depth >= maxDepth {
		return nil, false
	}
	col, line, from := b.indent, b.row, len(b.memory.open)
	for !b.over && b.indent == col && b.dash() {
		item, ok := b.item(w, keep, depth)
		if !ok {
			return nil, false
		}
		if keep {
			b.memory.open = append(b.memory.open, item)
		}
	}
	if b.indent > col {
		return nil, false
	}
	if !keep {
		return Passed, true
	}
	n = b.memory.node(yaml.SequenceNode, line)
	n.Tag = "!!seq"
	return b.memory.close(n, from), true
}

func (b *block[W]) item(w W, keep bool, depth int) (n *yaml.Node, ok bool) {
	if b.memory.made > maxNodes {
		return nil, false
	}
	col, row := b.indent, b.row
	if !b.undash() {
		if b.advance(); b.indent <= col {
			return b.null(keep, row), true
		}
		return b.nested(w, keep, depth)
	}
	if b.dash() {
		return b.list(w, keep, depth+1)
	}
	if _, _, ok := b.key(); ok {
		return b.mapping(w, keep, depth+1)
	}
	return b.inline(b.rest, col, w, keep, depth)
}

// inline reads a value that begins on the current line, in a map or list at
// col, and goes behind it.
func (b *block[W]) inline(text []byte, col int, w W, keep bool, depth int) (n *yaml.Node, ok bool) {
	text = bytes.TrimLeft(text, " ")
	switch text[0] {
	case '|':
		return b.literal(text[1:], col, keep)
	case '{', '[':
		return b.flow(text, w, keep, depth+1)
	}
	s, ok := flat(text)
	if !ok {
		return nil, false
	}
	n = Passed
	if keep {
		n = b.memory.scalar(s, b.row)
	}
	b.advance()
	return n, true
}

// literal reads the text below a |, whose line goes on with header.
func (b *block[W]) literal(header []byte, col int, keep bool) (n *yaml.Node, ok bool) {
	row, chomp := b.row, byte(0)
	if len(header) > 0 && (header[0] == '-' || header[0] == '+') {
		chomp, header = header[0], header[1:]
	}
	if !blankOrComment(header) {
		return nil, false
	}
	text, ok := b.lines.literal(col, keep)
	if !ok {
		return nil, false
	}
	n = Passed
	if keep {
		n = b.memory.node(yaml.ScalarNode, row)
		n.Tag, n.Style, n.Value = "!!str", yaml.LiteralStyle, chomped(text, chomp)
	}
	b.advance()
	return n, true
}

// chomped cuts the line ends behind a literal text as its header says.
func chomped(text []byte, chomp byte) string {
	if chomp == '+' {
		return string(text)
	}
	text = bytes.TrimRight(text, "\n")
	if chomp == 0 && len(text) > 0 {
		return string(text) + "\n"
	}
	return string(text)
}
