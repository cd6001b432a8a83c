// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"

	"whohas/snapshot"
)

// flow reads a collection in brackets that stands on one line of a block: the
// entries are keys with values, or values, and nothing is left out. In brackets
// a plain scalar ends at other characters than outside of them.
type flow struct {
	*block
	text []byte // the line from here on
}

// flow reads a collection in brackets that is the rest of the line.
func (b *block) flow(text []byte, s sieve, keep bool, depth int) (v snapshot.Value, ok bool) {
	f := flow{b, text}
	if v, ok = f.value(s, keep, depth); !ok || !blankOrComment(f.text) {
		return v, false
	}
	b.advance()
	return v, true
}

// value reads an entry of a list, or what stands behind a key.
func (f *flow) value(s sieve, keep bool, depth int) (v snapshot.Value, ok bool) {
	switch c := f.peek(); {
	case depth >= maxDepth, f.stack.full():
		return v, false
	case c == '{':
		return f.mapping(s, keep, depth)
	case c == '[':
		return f.list(s, keep, depth)
	}
	word, ok := f.word()
	if !ok || !keep {
		return v, ok
	}
	v = word.value(f.block)
	return f.keepText(v, s, keep, int(v.Line), true), true
}

func (f *flow) mapping(s sieve, keep bool, depth int) (v snapshot.Value, ok bool) {
	f.text = f.text[1:]
	line, m := f.lineAt(), f.stack.open()
	seen := mapState{}
	for end := f.pass('}'); !end; end = f.pass('}') {
		if !f.member(&m, s, keep, depth, &seen) || !f.comma('}') {
			return v, false
		}
	}
	if !keep {
		return v, true
	}
	return f.keepMap(s, m.mapping(line), seen.dropped, seen.owns), true
}

// member reads a key and its value.
func (f *flow) member(m *members, s sieve, keep bool, depth int, seen *mapState) bool {
	f.peek()
	k, ok := f.key()
	if !ok {
		return false
	}
	if !keep {
		_, ok = f.value(s, false, depth+1)
		return ok
	}
	key, ok := k.key(f.block)
	if !ok {
		return false
	}
	c, kept := s.child(key)
	v, ok := f.value(c, kept, depth+1)
	switch {
	case !ok:
		return false
	case !kept:
		seen.dropped, seen.owns = true, seen.owns || ownsItem(key)
	case v.Kind == snapshot.Absent:
		seen.dropped = true
	default:
		f.set(m, key, f.lineAt(), v)
	}
	return true
}

func (f *flow) list(s sieve, keep bool, depth int) (v snapshot.Value, ok bool) {
	f.text = f.text[1:]
	line, m := f.lineAt(), f.stack.open()
	for end := f.pass(']'); !end; end = f.pass(']') {
		item, ok := f.value(s, keep, depth+1)
		if !ok || !f.comma(']') {
			return v, false
		}
		if keep {
			m.push(item)
		}
	}
	if !keep {
		return v, true
	}
	return f.keepList(s, m.list(line)), true
}

// key reads a key and its colon. Behind a quoted one the value may follow at
// once, as in JSON; a plain one would go on.
func (f *flow) key() (scalar, bool) {
	from := len(f.text)
	k, ok := f.word()
	if !ok || len(f.text) == 0 || f.text[0] != ':' || from-len(f.text) > maxKey {
		return k, false
	}
	f.text = f.text[1:]
	return k, k.quoted || len(f.text) > 0 && f.text[0] == ' ' && !k.spaced
}

// word reads a scalar.
func (f *flow) word() (w scalar, ok bool) {
	if len(f.text) == 0 {
		return w, false
	}
	if c := f.text[0]; c == '"' || c == '\'' {
		w.quoted = true
		w.text, f.text, ok = unquote(f.text)
		return w, ok
	}
	if !plainStart(f.text) {
		return w, false
	}
	n := 1
	for n < len(f.text) && !f.plainEnds(n) {
		n++
	}
	w.text = bytes.TrimRight(f.text[:n], " ")
	w.spaced = len(w.text) < n
	f.text = f.text[n:]
	return w, true
}

// plainEnds tells whether the plain scalar before the n-th character ends
// there.
func (f *flow) plainEnds(n int) bool {
	switch c := f.text[n]; {
	case !flowEnds[c]:
		return false
	case c == ':':
		return n+1 == len(f.text) || f.text[n+1] == ' '
	case c == '#':
		return f.text[n-1] == ' '
	}
	return true
}

// flowEnds are the characters that may end a plain scalar in brackets.
var flowEnds = func() (ends [256]bool) {
	for _, c := range ",?[]{}:#" {
		ends[c] = true
	}
	return ends
}()

// peek passes over spaces and gives what comes; 0 at the end of the line.
func (f *flow) peek() byte {
	for len(f.text) > 0 && f.text[0] == ' ' {
		f.text = f.text[1:]
	}
	if len(f.text) == 0 {
		return 0
	}
	return f.text[0]
}

// pass goes behind c if it comes next.
func (f *flow) pass(c byte) bool {
	if f.peek() != c {
		return false
	}
	f.text = f.text[1:]
	return true
}

// comma goes to the next entry; false if neither one comes nor the end. The
// parser takes a comma before the end, too.
func (f *flow) comma(end byte) bool { return f.pass(',') || f.peek() == end }
