// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"unicode/utf8"

	"whohas/snapshot"

	"go.yaml.in/yaml/v3"
)

// block reads the plain YAML that kubectl prints and most people write: maps
// and lists by indentation, scalars on one line, literal texts. It is many
// times faster than the full parser, because it makes nothing of what is not
// kept. Everything else, and everything that is wrong in some way, it refuses
// (false), and the full parser decides: what block accepts, it reads as the
// parser does.
type block struct {
	*yamlTree
	next int // where the line behind the current one begins

	indent int    // of the current line's text
	rest   []byte // its text, from the indentation to the last character shown
	row    int    // its number in the text, from 1
	over   bool   // there is no further line
}

// yamlBlock decodes an item that holds one object in plain YAML; false means
// that nothing was done.
func (d *decoder) yamlBlock(i item) bool {
	if !plainText(i.text) {
		return false
	}
	t := &yamlTree{decoder: d, text: i.text, base: i.line - 1}
	if b := (block{yamlTree: t}); b.empty() {
		return true
	}
	h, ok := (&block{yamlTree: t}).head(i.part)
	if !ok {
		return false
	}
	if h.kind != "" {
		i.list.name()
	}
	if h.kind == "" || h.apiVersion == "" {
		typed, known := i.list.typed()
		if !known {
			return false
		}
		h = typed.of(h)
	}
	return t.blockObject(h, i.part)
}

// blockObject reads the object of which the head is known.
func (t *yamlTree) blockObject(h head, part bool) bool {
	group, _ := snapshot.SplitAPIVersion(h.apiVersion)
	kind, fields, keep := t.reading.Reads.Kind(group, h.kind)
	keep = keep && h.apiVersion != ""
	if keep && t.reading.Reads.Some(kind) {
		root, _, ok := t.blockTree(sieve{fields: nameFields}, true, part)
		if !ok {
			return false
		}
		meta := root.Get("metadata")
		keep = t.wants(kept{kind: kind}, meta.Get("namespace").Text, meta.Get("name").Text)
	}
	root, line, ok := t.blockTree(objectSieve(fields), keep, part)
	if !ok {
		return false
	}
	for _, c := range t.held {
		t.tell(c)
	}
	if k, ok := t.classify(h); ok && keep {
		t.deliver(k, root, line)
	}
	return true
}

// nameFields are those that tell whether an object is one of the wanted.
var nameFields = fieldsOf("metadata.name", "metadata.namespace")

// blockTree builds the tree of what is kept of the text's object. What there
// is to tell of it waits in t.held.
func (t *yamlTree) blockTree(s sieve, keep, part bool) (root snapshot.Value, line int, ok bool) {
	b := &block{yamlTree: t}
	if !b.begin(part) {
		return root, 0, false
	}
	line = t.base + b.row
	all := t.stack.open()
	t.held, t.holding = t.held[:0], true
	defer func() { t.holding = false }()
	if root, ok = b.mapping(s, keep, 0); !ok || !b.over {
		all.drop()
		return root, line, false
	}
	return root, line, true
}

// plainText tells whether a text holds nothing but shown characters and line
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

// plainRune tells whether a character beyond ASCII is a plain one: YAML has
// other line ends there, and some that must not stand in it.
func plainRune(r rune, size int) bool {
	switch {
	case r == utf8.RuneError && size == 1, r == '\u2028', r == '\u2029', r == '\ufeff':
		return false
	}
	return r >= 0xa0 && r <= 0xfffd || r >= 0x10000
}

// empty tells whether the text shows nothing but comments.
func (b *block) empty() bool {
	b.advance()
	return b.over
}

// begin goes to the first line of the object; in a part of a list, behind the
// dash.
func (b *block) begin(part bool) bool {
	b.advance()
	if b.over || b.dash() != part {
		return false
	}
	return !part || b.undash()
}

// advance goes to the next line that shows something other than a comment.
func (b *block) advance() {
	for b.next < len(b.text) {
		line := b.text[b.next:]
		end := bytes.IndexByte(line, '\n')
		line = line[:end]
		b.next += end + 1
		b.row++
		n := 0
		for n < len(line) && line[n] == ' ' {
			n++
		}
		if n < len(line) && line[n] != '#' {
			b.indent, b.rest = n, bytes.TrimRight(line[n:], " ")
			return
		}
	}
	b.over, b.indent, b.rest = true, -1, nil
}

// dash tells whether the line is an item of a list.
func (b *block) dash() bool {
	return len(b.rest) > 0 && b.rest[0] == '-' && (len(b.rest) == 1 || b.rest[1] == ' ')
}

// undash goes to what stands behind the dash, if something does.
func (b *block) undash() bool {
	n := 1
	for n < len(b.rest) && b.rest[n] == ' ' {
		n++
	}
	if n == len(b.rest) || b.rest[n] == '#' {
		return false
	}
	b.indent, b.rest = b.indent+n, b.rest[n:]
	return true
}

// head reads what the object says of itself, and nothing between.
func (b *block) head(part bool) (h head, ok bool) {
	if !b.begin(part) {
		return h, false
	}
	for col := b.indent; !b.over; b.advance() {
		if b.indent != col {
			continue
		}
		key, value, ok := b.key()
		if !ok && !b.dash() || key == "items" {
			return h, false
		}
		var into *string
		switch key {
		case "kind":
			into = &h.kind
		case "apiVersion":
			into = &h.apiVersion
		default:
			continue
		}
		v, ok := b.flat(value)
		if !ok || *into != "" || v.Kind != snapshot.String {
			return h, false
		}
		*into = v.Text
	}
	return h, true
}

// maxKey bounds a key: the parser follows none longer than 1024 characters.
const maxKey = 512

// scalar is one as it is written, without the quotes.
type scalar struct {
	text   []byte
	quoted bool
	spaced bool // in brackets: spaces follow
}

// value makes the value of a scalar.
func (w scalar) value(b *block) snapshot.Value {
	v := snapshot.Value{Kind: snapshot.String, Line: int32(b.lineAt()), Text: b.names.string(w.text)}
	if !w.quoted && maybeWord(w.text) {
		v.Kind, v.Text = scalarOf(plainNode(v.Text))
	}
	return v
}

// key makes the key that the scalar is; ok is false for one that merges maps,
// and for one that is null.
func (w scalar) key(b *block) (key string, ok bool) {
	key = b.names.string(w.text)
	if w.quoted {
		return key, true
	}
	if key == "<<" {
		return "", false
	}
	if maybeWord(w.text) {
		return keyText(plainNode(key))
	}
	return key, true
}

// key splits a line of a map; ok is false where the line is none.
func (b *block) key() (key string, value []byte, ok bool) {
	k, value, ok := b.split()
	if !ok {
		return "", nil, false
	}
	key, ok = k.key(b)
	return key, value, ok
}

// split is key without making one.
func (b *block) split() (k scalar, value []byte, ok bool) {
	text := b.rest
	if c := text[0]; c == '"' || c == '\'' {
		inner, behind, ok := unquote(text)
		if !ok || len(behind) == 0 || behind[0] != ':' || len(behind) > 1 && behind[1] != ' ' || len(text)-len(behind) > maxKey {
			return k, nil, false
		}
		return scalar{text: inner, quoted: true}, behind[1:], true
	}
	end := colon(text)
	if end <= 0 || end > maxKey || !plainStart(text) || text[end-1] == ' ' || comment(text[:end]) >= 0 {
		return k, nil, false
	}
	return scalar{text: text[:end]}, text[end+1:], true
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

// plainStart tells whether a plain scalar can begin so.
func plainStart(text []byte) bool {
	return !indicators[text[0]] || text[0] == '-' && len(text) > 1 && text[1] != ' '
}

var indicators = func() (is [256]bool) {
	for _, c := range "-?:,[]{}#&*!|>'\"%@`" {
		is[c] = true
	}
	return is
}()

// plainNode is the parser's node of a plain scalar.
func plainNode(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	n.Tag = n.ShortTag()
	return n
}

// escapes are those that block reads.
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

// flat reads a scalar that stands on one line.
func (b *block) flat(text []byte) (v snapshot.Value, ok bool) {
	text = bytes.TrimLeft(text, " ")
	if len(text) == 0 {
		return v, false
	}
	w, ok := flatText(text)
	if !ok {
		return v, false
	}
	return w.value(b), true
}

// flatText cuts a scalar out of the rest of its line.
func flatText(text []byte) (w scalar, ok bool) {
	if text[0] == '"' || text[0] == '\'' {
		inner, behind, ok := unquote(text)
		return scalar{text: inner, quoted: true}, ok && blankOrComment(behind)
	}
	text, ok = plain(text)
	return scalar{text: text}, ok
}

// plain cuts a plain scalar out of the rest of its line.
func plain(text []byte) ([]byte, bool) {
	if !plainStart(text) || colon(text) >= 0 {
		return nil, false
	}
	if i := comment(text); i >= 0 {
		text = bytes.TrimRight(text[:i], " ")
	}
	return text, true
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

// maybeWord tells whether a plain scalar may be something else than a string.
func maybeWord(text []byte) bool {
	return len(text) <= len("false") || text[0] < 'A' || text[0] == '~'
}

func blankOrComment(text []byte) bool {
	shown := bytes.TrimLeft(text, " ")
	return len(shown) == 0 || len(shown) < len(text) && shown[0] == '#'
}

func (b *block) lineAt() int {
	if b.fixed > 0 {
		return b.fixed
	}
	return b.base + b.row
}
