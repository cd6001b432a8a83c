// SPDX-License-Identifier: Apache-2.0

package plainyaml

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// flow reads a collection in brackets that stands on one line of a block: the
// entries are keys with values, or values, and nothing is left out. In brackets
// a plain scalar ends at other characters than outside of them.
type flow[W any] struct {
	*block[W]
	text []byte // the line from here on
}

// flow reads a collection in brackets that is the rest of the line.
func (b *block[W]) flow(text []byte, w W, keep bool, depth int) (n *yaml.Node, ok bool) {
	f := flow[W]{b, text}
	if n, ok = f.value(w, keep, depth); !ok || !blankOrComment(f.text) {
		return nil, false
	}
	b.advance()
	return n, true
}

// value reads an entry of a list, or what stands behind a key.
func (f *flow[W]) value(w W, keep bool, depth int) (n *yaml.Node, ok bool) {
	switch c := f.peek(); {
	case depth >= maxDepth, f.memory.made > maxNodes:
		return nil, false
	case c == '{':
		return f.mapping(w, keep, depth)
	case c == '[':
		return f.list(w, keep, depth)
	}
	s, ok := f.word()
	if !ok || !keep {
		return Passed, ok
	}
	return f.memory.scalar(s, f.row), true
}

func (f *flow[W]) mapping(w W, keep bool, depth int) (n *yaml.Node, ok bool) {
	f.text = f.text[1:]
	from := len(f.memory.open)
	for end := f.pass('}'); !end; end = f.pass('}') {
		if !f.member(w, keep, depth) || !f.comma('}') {
			return nil, false
		}
	}
	if !keep {
		return Passed, true
	}
	n = f.memory.node(yaml.MappingNode, f.row)
	n.Tag, n.Style = "!!map", yaml.FlowStyle
	return f.memory.close(n, from), true
}

// member reads a key and its value.
func (f *flow[W]) member(w W, keep bool, depth int) bool {
	f.peek()
	k, ok := f.key()
	if !ok {
		return false
	}
	if !keep {
		_, ok = f.value(w, false, depth+1)
		return ok
	}
	key, ok := f.memory.keyOf(k, f.row)
	if !ok {
		return false
	}
	below, wanted := f.want(w, key.Value)
	at := len(f.memory.open)
	f.memory.open = append(f.memory.open, key, Passed)
	v, ok := f.value(below, wanted, depth+1)
	if ok {
		f.memory.open[at+1] = v
	}
	return ok
}

func (f *flow[W]) list(w W, keep bool, depth int) (n *yaml.Node, ok bool) {
	f.text = f.text[1:]
	from := len(f.memory.open)
	for end := f.pass(']'); !end; end = f.pass(']') {
		item, ok := f.value(w, keep, depth+1)
		if !ok || !f.comma(']') {
			return nil, false
		}
		if keep {
			f.memory.open = append(f.memory.open, item)
		}
	}
	if !keep {
		return Passed, true
	}
	n = f.memory.node(yaml.SequenceNode, f.row)
	n.Tag, n.Style = "!!seq", yaml.FlowStyle
	return f.memory.close(n, from), true
}

// key reads a key and its colon. Behind a quoted one the value may follow at
// once, as in JSON; a plain one would go on.
func (f *flow[W]) key() (scalar, bool) {
	from := len(f.text)
	k, ok := f.word()
	if !ok || len(f.text) == 0 || f.text[0] != ':' || from-len(f.text) > maxKey {
		return k, false
	}
	f.text = f.text[1:]
	return k, k.quote != 0 || len(f.text) > 0 && f.text[0] == ' ' && !k.spaced
}

// word reads a scalar.
func (f *flow[W]) word() (w scalar, ok bool) {
	if len(f.text) == 0 {
		return w, false
	}
	if c := f.text[0]; c == '"' || c == '\'' {
		w.quote = c
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

// plainEnds reports whether the plain scalar before the n-th character ends
// there.
func (f *flow[W]) plainEnds(n int) bool {
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
func (f *flow[W]) peek() byte {
	for len(f.text) > 0 && f.text[0] == ' ' {
		f.text = f.text[1:]
	}
	if len(f.text) == 0 {
		return 0
	}
	return f.text[0]
}

// pass goes behind c if it comes next.
func (f *flow[W]) pass(c byte) bool {
	if f.peek() != c {
		return false
	}
	f.text = f.text[1:]
	return true
}

// comma goes to the next entry; false if neither one comes nor the end. The
// parser takes a comma before the end, too.
func (f *flow[W]) comma(end byte) bool { return f.pass(',') || f.peek() == end }
