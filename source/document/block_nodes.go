// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"

	"whohas/snapshot"
)

// mapping reads a map whose first key is the current line's text.
func (b *block) mapping(s sieve, keep bool, depth int) (v snapshot.Value, ok bool) {
	if depth >= maxDepth {
		return v, false
	}
	col, line, m := b.indent, b.lineAt(), b.stack.open()
	seen := mapState{}
	for !b.over && b.indent == col && !b.dash() {
		if !b.entry(&m, s, keep, depth, &seen) {
			return v, false
		}
	}
	if b.indent > col {
		return v, false
	}
	if !keep {
		return v, true
	}
	return b.keepMap(s, m.mapping(line), seen.dropped, seen.owns), true
}

// entry reads a key and its value. Of what is not kept, no key is made.
func (b *block) entry(m *members, s sieve, keep bool, depth int, seen *mapState) bool {
	if b.stack.full() {
		return false
	}
	col, at := b.indent, b.lineAt()
	k, text, ok := b.split()
	if !ok {
		return false
	}
	if !keep {
		_, ok = b.member(text, col, s, false, depth)
		return ok
	}
	key, ok := k.key(b)
	if !ok {
		return false
	}
	c, kept := s.child(key)
	v, ok := b.member(text, col, c, kept, depth)
	switch {
	case !ok:
		return false
	case !kept:
		seen.dropped, seen.owns = true, seen.owns || ownsItem(key)
	case v.Kind == snapshot.Absent:
		seen.dropped = true
	default:
		b.set(m, key, at, v)
	}
	return true
}

// member reads the value of a key whose line goes on with text.
func (b *block) member(text []byte, col int, s sieve, keep bool, depth int) (v snapshot.Value, ok bool) {
	if !blankOrComment(text) {
		return b.inline(text, col, s, keep, depth)
	}
	null := snapshot.Value{Kind: snapshot.Null, Line: int32(b.lineAt())}
	b.advance()
	switch {
	case b.indent > col:
		return b.nested(s, keep, depth)
	case b.indent == col && b.dash():
		return b.list(s, keep, depth+1)
	}
	return null, true
}

// nested reads a map or a list that begins with the current line.
func (b *block) nested(s sieve, keep bool, depth int) (snapshot.Value, bool) {
	if b.dash() {
		return b.list(s, keep, depth+1)
	}
	return b.mapping(s, keep, depth+1)
}

// list reads a list whose first item begins with the current line.
func (b *block) list(s sieve, keep bool, depth int) (v snapshot.Value, ok bool) {
	if depth >= maxDepth {
		return v, false
	}
	col, line, m := b.indent, b.lineAt(), b.stack.open()
	for !b.over && b.indent == col && b.dash() {
		item, ok := b.listItem(s, keep, depth)
		if !ok {
			return v, false
		}
		if keep {
			m.push(item)
		}
	}
	if b.indent > col {
		return v, false
	}
	if !keep {
		return v, true
	}
	return b.keepList(s, m.list(line)), true
}

func (b *block) listItem(s sieve, keep bool, depth int) (v snapshot.Value, ok bool) {
	if b.stack.full() {
		return v, false
	}
	col := b.indent
	if !b.undash() {
		v = snapshot.Value{Kind: snapshot.Null, Line: int32(b.lineAt())}
		if b.advance(); b.indent <= col {
			return v, true
		}
		return b.nested(s, keep, depth)
	}
	if b.dash() {
		return b.list(s, keep, depth+1)
	}
	if _, _, ok := b.split(); ok {
		return b.mapping(s, keep, depth+1)
	}
	return b.inline(b.rest, col, s, keep, depth)
}

// inline reads a value that begins on the current line, in a map or list at
// col, and goes behind it.
func (b *block) inline(text []byte, col int, s sieve, keep bool, depth int) (v snapshot.Value, ok bool) {
	text = bytes.TrimLeft(text, " ")
	switch text[0] {
	case '|':
		return b.literal(text[1:], col, s, keep)
	case '{', '[':
		return b.flow(text, s, keep, depth+1)
	}
	w, ok := flatText(text)
	if !ok {
		return v, false
	}
	if keep {
		v = w.value(b)
		v = b.keepText(v, s, keep, int(v.Line), true)
	}
	b.advance()
	return v, true
}

// keepText makes of a scalar what is kept of it.
func (b *block) keepText(v snapshot.Value, s sieve, keep bool, line int, fixed bool) snapshot.Value {
	switch {
	case !keep:
		return v
	case v.Kind == snapshot.String && s.embeds():
		return b.embedded(v.Text, s, int(v.Line), line, fixed || b.fixed > 0)
	}
	return s.keepScalar(v)
}

// literal reads the text below a |, whose line goes on with header.
func (b *block) literal(header []byte, col int, s sieve, keep bool) (v snapshot.Value, ok bool) {
	v = snapshot.Value{Kind: snapshot.String, Line: int32(b.lineAt())}
	chomp := byte(0)
	if len(header) > 0 && (header[0] == '-' || header[0] == '+') {
		chomp, header = header[0], header[1:]
	}
	if !blankOrComment(header) {
		return v, false
	}
	text, ok := b.literalText(col, keep)
	if !ok {
		return v, false
	}
	if keep {
		v.Text = chomped(text, chomp)
	}
	b.advance()
	return b.keepText(v, s, keep, int(v.Line)+1, false), true
}

// literalText passes over the lines of a literal text; they are indented
// deeper than col.
func (b *block) literalText(col int, keep bool) (out []byte, ok bool) {
	width, blank := -1, 0 // of the indentation; of the blank lines before it is known
	for b.next < len(b.text) {
		line := b.text[b.next:]
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
		b.next += len(line) + 1
		b.row++
	}
	return out, width >= 0
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
