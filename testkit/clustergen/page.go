// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"io"
	"net/netip"
	"strconv"
)

// page gathers JSON in kubectl's layout: four spaces a level, a line for each
// member. Keys are written in the order they are given, so the caller sorts.
type page struct {
	buf   []byte
	depth int
	fresh bool // nothing stands in the innermost object or array yet
}

// flush writes the page out once it holds least bytes.
func (p *page) flush(w io.Writer, least int) error {
	if len(p.buf) < least {
		return nil
	}
	_, err := w.Write(p.buf)
	p.buf = p.buf[:0]
	return err
}

func (p *page) line() {
	p.buf = append(p.buf, '\n')
	for range p.depth {
		p.buf = append(p.buf, "    "...)
	}
}

// item begins a member of the innermost object or array.
func (p *page) item() {
	if !p.fresh {
		p.buf = append(p.buf, ',')
	}
	p.fresh = false
	p.line()
}

func (p *page) open(bracket byte) {
	p.buf = append(p.buf, bracket)
	p.depth++
	p.fresh = true
}

func (p *page) close(bracket byte) {
	p.depth--
	if !p.fresh {
		p.line()
	}
	p.fresh = false
	p.buf = append(p.buf, bracket)
}

func (p *page) key(key string) {
	p.item()
	p.buf = appendQuoted(p.buf, key)
	p.buf = append(p.buf, ": "...)
}

func (p *page) object(key string) { p.key(key); p.open('{') }
func (p *page) array(key string)  { p.key(key); p.open('[') }

func (p *page) str(key, value string) {
	p.key(key)
	p.buf = appendQuoted(p.buf, value)
}

func (p *page) num(key string, n int) {
	p.key(key)
	p.buf = strconv.AppendInt(p.buf, int64(n), 10)
}

func (p *page) flag(key string, yes bool) {
	p.key(key)
	p.buf = strconv.AppendBool(p.buf, yes)
}

func (p *page) addr(key string, a netip.Addr) {
	p.key(key)
	p.element(a)
}

func (p *page) element(a netip.Addr) {
	p.buf = append(p.buf, '"')
	p.buf = a.AppendTo(p.buf)
	p.buf = append(p.buf, '"')
}

func (p *page) addrs(key string, all []netip.Addr) {
	p.array(key)
	for _, a := range all {
		p.item()
		p.element(a)
	}
	p.close(']')
}

func (p *page) strs(key string, all ...string) {
	p.array(key)
	for _, s := range all {
		p.item()
		p.buf = appendQuoted(p.buf, s)
	}
	p.close(']')
}

// appendQuoted quotes as kubectl does, which escapes what HTML would mind too.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\t':
			b = append(b, `\t`...)
		case '<':
			b = append(b, `\u003c`...)
		case '>':
			b = append(b, `\u003e`...)
		case '&':
			b = append(b, `\u0026`...)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
