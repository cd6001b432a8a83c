// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"slices"

	"whohas/snapshot"
)

// tree is where a cursor gathers the children of values that are not complete.
type tree struct {
	values int // of this record
	items  []snapshot.Value
	keys   []string
}

// value reads a tree.
func (c *cursor) value(depth int) snapshot.Value {
	if c.values++; c.values > maxValues {
		c.fail(errTooMany)
	}
	if depth > maxDepth {
		c.fail(errTooDeep)
	}
	if c.err != nil {
		return snapshot.Value{}
	}
	switch c.next() {
	case '{':
		return c.mapping(depth)
	case '[':
		return c.list(depth)
	case '"':
		return snapshot.Value{Kind: snapshot.String, Text: snapshot.WithoutSecrets(c.string())}
	}
	return c.literal()
}

func (c *cursor) literal() snapshot.Value {
	switch {
	case c.word("null"):
		return snapshot.Value{Kind: snapshot.Null}
	case c.word("true"):
		return snapshot.Value{Kind: snapshot.Bool, Text: "true"}
	case c.word("false"):
		return snapshot.Value{Kind: snapshot.Bool, Text: "false"}
	}
	n := numberLength(c.text[c.at:])
	if n == 0 {
		c.fail(errSyntax)
	}
	text := c.names.string(c.text[c.at : c.at+n])
	c.at += n
	return snapshot.Value{Kind: snapshot.Number, Text: text}
}

func (c *cursor) mapping(depth int) snapshot.Value {
	items, keys := len(c.items), len(c.keys)
	for c.open('{'); c.more('}'); {
		c.keys = append(c.keys, c.string())
		c.take(':')
		c.items = append(c.items, c.value(depth+1))
	}
	v := snapshot.Value{Kind: snapshot.Map, Keyset: snapshot.KeysetOf(slices.Clone(c.keys[keys:])...), Items: slices.Clone(c.items[items:])}
	c.drop(items, keys)
	return v
}

func (c *cursor) list(depth int) snapshot.Value {
	items := len(c.items)
	for c.open('['); c.more(']'); {
		c.items = append(c.items, c.value(depth+1))
	}
	v := snapshot.Value{Kind: snapshot.List, Items: slices.Clone(c.items[items:])}
	c.drop(items, len(c.keys))
	return v
}

// drop takes gathered children away, so that nothing holds on to them.
func (c *cursor) drop(items, keys int) {
	clear(c.items[items:])
	clear(c.keys[keys:])
	c.items, c.keys = c.items[:items], c.keys[:keys]
}

// placer puts beside a tree what its JSON does not say. It passes over the
// values in the order of the text while it reads the arrays of the record.
type placer struct {
	lines, odd fields
	line       int32
	at         int
	oddAt      int
	oddKind    string
}

var (
	errLines = errors.New("lines or odd values of values that are not there")
	errOdd   = errors.New("odd value of unknown kind")
)

// lined gives the values of a tree their lines.
func (c *cursor) lined(v *snapshot.Value, line int, f *fields) {
	p := placer{line: int32(line)}
	if f.has() {
		p.lines = c.fields()
	} else {
		p.lines = fields{cursor: c, over: true}
	}
	if line != 0 || !p.lines.over {
		p.lay(v)
	}
	if p.lines.has() {
		c.fail(errLines)
	}
}

func (p *placer) lay(v *snapshot.Value) {
	p.line += int32(p.lines.number())
	v.Line = p.line
	for i := range v.Items {
		p.lay(&v.Items[i])
	}
}

// odds gives odd values their kinds.
func (c *cursor) odds(v *snapshot.Value, f *fields) {
	if !f.has() {
		return
	}
	p := placer{odd: c.fields()}
	p.nextOdd()
	p.mark(v)
	if p.oddKind != "" {
		c.fail(errLines)
	}
}

func (p *placer) nextOdd() {
	p.oddAt, p.oddKind = p.odd.number(), p.odd.text()
}

func (p *placer) mark(v *snapshot.Value) {
	if p.oddKind == "" {
		return
	}
	if p.at == p.oddAt {
		kind := slices.Index(oddNames[:], p.oddKind)
		if kind < 0 || v.Kind != snapshot.String {
			p.odd.fail(errOdd)
		}
		v.Kind = snapshot.ValueKind(kind)
		p.nextOdd()
	}
	p.at++
	for i := range v.Items {
		p.mark(&v.Items[i])
	}
}
