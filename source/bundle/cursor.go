// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"strconv"

	"whohas/snapshot"

	"github.com/go-json-experiment/json/jsontext"
)

// cursor reads the JSON of one line. The first error stays, and from then on
// everything it gives is zero.
type cursor struct {
	text  []byte
	at    int
	fresh bool // an array or map was opened and nothing of it read
	err   error

	names interned
	tree
}

var errSyntax = errors.New("not the JSON that was expected")

func (c *cursor) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// next is the byte that comes, behind white space; 0 at the end.
func (c *cursor) next() byte {
	for c.at < len(c.text) {
		switch b := c.text[c.at]; b {
		case ' ', '\t', '\r':
			c.at++
		default:
			return b
		}
	}
	return 0
}

// take passes over a byte that must come.
func (c *cursor) take(b byte) {
	if c.err == nil && c.next() != b {
		c.fail(errSyntax)
	}
	if c.err == nil {
		c.at++
	}
}

func (c *cursor) open(bracket byte) {
	c.take(bracket)
	c.fresh = true
}

// more goes to the next element of the innermost array or map, or behind it.
func (c *cursor) more(bracket byte) bool {
	if c.err != nil {
		return false
	}
	fresh := c.fresh
	c.fresh = false
	if c.next() == bracket {
		c.at++
		return false
	}
	if !fresh {
		c.take(',')
	}
	return c.err == nil
}

// end checks that nothing follows.
func (c *cursor) end() {
	if c.next(); c.at < len(c.text) {
		c.fail(errors.New("text behind the record"))
	}
}

// raw is a string as it stands between its quotes, and whether it is as simple
// as it stands.
func (c *cursor) raw() (text []byte, simple bool) {
	c.take('"')
	if c.err != nil {
		return nil, true
	}
	simple = true
	begin := c.at
	for ; c.at < len(c.text); c.at++ {
		switch b := c.text[c.at]; {
		case b == '"':
			c.at++
			return c.text[begin : c.at-1], simple
		case b == '\\':
			simple = false
			c.at++
		case b < ' ' || b > '~':
			simple = false // UTF-8 to check, or a control character
		}
	}
	c.at = len(c.text)
	c.fail(errors.New("string has no end"))
	return nil, true
}

func (c *cursor) string() string {
	raw, simple := c.raw()
	if simple {
		return c.names.string(raw)
	}
	text, err := jsontext.AppendUnquote(nil, c.text[c.at-len(raw)-2:c.at])
	if err != nil {
		c.fail(fmt.Errorf("string: %w", err))
		return ""
	}
	return c.names.string(text)
}

func (c *cursor) int() int {
	if c.err != nil {
		return 0
	}
	c.next()
	n := digits(c.text, c.at)
	if n == 0 && c.at < len(c.text) && c.text[c.at] == '-' {
		n = 1 + digits(c.text, c.at+1)
	}
	v, err := strconv.ParseInt(string(c.text[c.at:c.at+n]), 10, 64)
	if err != nil {
		c.fail(errors.New("not a whole number"))
		return 0
	}
	c.at += n
	return int(v)
}

func (c *cursor) bool() bool {
	return c.word("true") || !c.word("false") && c.fails()
}

func (c *cursor) fails() bool {
	c.fail(errSyntax)
	return false
}

// word passes over a literal if it comes.
func (c *cursor) word(w string) bool {
	if c.err != nil {
		return false
	}
	c.next()
	if !bytes.HasPrefix(c.text[c.at:], []byte(w)) {
		return false
	}
	c.at += len(w)
	return true
}

// addr reads an address; an empty string is none.
func (c *cursor) addr() netip.Addr {
	raw, _ := c.raw()
	if len(raw) == 0 {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(string(raw))
	if err != nil {
		c.fail(fmt.Errorf("not an address: %q", raw))
	}
	return a
}

// skip passes over any value.
func (c *cursor) skip() {
	for depth := 0; c.err == nil; {
		switch c.next() {
		case '"':
			c.raw()
		case '[', '{':
			depth++
			c.at++
		case ']', '}':
			depth--
			c.at++
		case ',', ':':
			c.at++
			continue
		case 0:
			c.fail(errSyntax)
		default:
			c.skipLiteral()
		}
		if depth <= 0 {
			return
		}
	}
}

func (c *cursor) skipLiteral() {
	n := bytes.IndexAny(c.text[c.at:], `,:[]{}" `)
	if n <= 0 {
		c.fail(errSyntax)
		return
	}
	c.at += n
}

// fields reads an array whose elements at the end may be left out.
type fields struct {
	*cursor
	over bool
}

func (c *cursor) fields() fields {
	c.open('[')
	return fields{cursor: c}
}

func (f *fields) has() bool {
	f.over = f.over || !f.more(']')
	return !f.over
}

// close passes over elements that a later version added.
func (f *fields) close() {
	for f.has() {
		f.skip()
	}
}

func (f *fields) text() string {
	if !f.has() {
		return ""
	}
	return f.string()
}

func (f *fields) number() int {
	if !f.has() {
		return 0
	}
	return f.int()
}

func (f *fields) flag() bool { return f.has() && f.bool() }

func (f *fields) address() netip.Addr {
	if !f.has() {
		return netip.Addr{}
	}
	return f.addr()
}

func (f *fields) ref() snapshot.Ref {
	if !f.has() {
		return snapshot.Ref{}
	}
	in := f.fields()
	r := snapshot.Ref{Kind: in.text(), Name: in.text(), Namespace: in.text(), Group: in.text()}
	in.close()
	return r
}

func (f *fields) addresses() []netip.Addr {
	if !f.has() {
		return nil
	}
	var list [8]netip.Addr
	out := list[:0]
	for f.open('['); f.more(']'); {
		out = append(out, f.addr())
	}
	return append([]netip.Addr(nil), out...)
}

// interned lets equal strings share memory. It forgets what is rare, so that it
// does not grow with the file.
type interned struct {
	seed  maphash.Seed
	slots []string
}

const (
	internSlots = 1 << 12
	internMax   = 64 // longer strings hardly repeat
)

func (n *interned) string(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if len(text) > internMax {
		return string(text)
	}
	if n.slots == nil {
		n.seed, n.slots = maphash.MakeSeed(), make([]string, internSlots)
	}
	slot := &n.slots[maphash.Bytes(n.seed, text)%internSlots]
	if *slot != string(text) {
		*slot = string(text)
	}
	return *slot
}
