// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
)

// yamlDocument passes over one YAML document. It begins behind a marker or at
// the beginning of a line.
func (s *splitter) yamlDocument() {
	line, itemsAt, marked := s.lineNumber(), -1, true
	s.hold()
	if text := s.need(1); text[0] == '%' {
		marked = false // directives stand before the marker
	}
	for first := true; ; first = false {
		if !first && s.boundary() {
			if marked || !s.marker("---") {
				break
			}
			marked = true
		}
		if itemsAt < 0 && s.itemsKey() {
			itemsAt = s.at - s.from
		}
		if itemsAt >= 0 && s.at-s.from > bigItem && !s.lost {
			if s.yamlList(line, itemsAt) {
				return
			}
			itemsAt = 0x7fffffff // not in the layout that can be split
		}
		if !s.passLine() {
			break
		}
	}
	text, whole := s.release()
	s.emit(item{text: text, whole: whole, line: line, yaml: true})
}

// boundary reports whether the line that begins here ends a document.
func (s *splitter) boundary() bool {
	c, ok := s.peek()
	switch {
	case !ok:
		return true
	case c == '-':
		return s.marker("---")
	case c == '.':
		return s.marker("...")
	case c == '=':
		return bytes.HasPrefix(s.need(len(logStart)), []byte(logStart))
	}
	return false
}

// itemsKey reports whether a list's items begin below this line, in the layout
// that kubectl prints.
func (s *splitter) itemsKey() bool {
	if c, ok := s.peek(); !ok || c != 'i' {
		return false
	}
	text := s.need(len("items:\r\n"))
	return bytes.HasPrefix(text, []byte("items:\n")) || bytes.HasPrefix(text, []byte("items:\r\n"))
}

// yamlList passes over the rest of a document that is a list, item by item; the
// held text reaches from its beginning to where it was seen to be long. false
// leaves everything as it was.
func (s *splitter) yamlList(line, itemsAt int) bool {
	held := s.buf[s.from:s.at]
	items := held[itemsAt:]
	start := bytes.IndexByte(items, '\n') + 1
	indent := dashIndent(items[start:])
	if indent < 0 {
		return false
	}
	l := &list{object: true}
	s.yamlListHead(l, held[:itemsAt], line)
	l.early = l.known
	s.at = s.from + itemsAt + start
	s.release()
	for s.yamlListItem(l, indent) {
	}
	line = s.lineNumber()
	s.hold()
	for !s.boundary() && s.passLine() {
	}
	if text, whole := s.release(); whole {
		s.yamlListHead(l, text, line)
	} else {
		s.pool.own.bad(line, "end of a list is "+errTooLarge.Error())
	}
	s.pool.endList(l)
	return true
}

// dashIndent is how far the first item of a list is indented; -1 if what
// follows is no such list.
func dashIndent(text []byte) int {
	for len(text) > 0 {
		n := len(text) - len(bytes.TrimLeft(text, " "))
		rest := text[n:]
		end := bytes.IndexByte(rest, '\n')
		switch {
		case end < 0:
			return -1
		case rest[0] == '-' && len(rest) > 1 && (rest[1] == ' ' || rest[1] == '\n' || rest[1] == '\r'):
			return n
		case rest[0] != '#' && rest[0] != '\n' && rest[0] != '\r':
			return -1
		}
		text = rest[end+1:]
	}
	return -1
}

// yamlListItem passes over one item, which begins here; false when none follows.
func (s *splitter) yamlListItem(l *list, indent int) bool {
	line := s.lineNumber()
	s.hold()
	next := lineWithin
	for first := true; first || next == lineWithin; first = false {
		if !s.passLine() {
			next = lineAfter
			break
		}
		next = s.place(indent)
	}
	text, whole := s.release()
	if len(bytes.TrimSpace(text)) > 0 || !whole {
		s.emit(item{text: text, whole: whole, line: line, list: l, yaml: true, part: true})
	}
	return next == lineItem
}

// The places of a line among the items of a list.
type linePlace int

const (
	lineWithin linePlace = iota // of the item before it
	lineItem                    // the first of an item
	lineAfter                   // behind the list
)

func (s *splitter) place(indent int) linePlace {
	if s.boundary() {
		return lineAfter
	}
	text := s.need(indent + 2)
	n := len(text) - len(bytes.TrimLeft(text, " "))
	switch {
	case n > indent || n == len(text):
		return lineWithin
	case text[n] == '\n' || text[n] == '\r' || text[n] == '#' || text[n] == '\t':
		return lineWithin
	case n == indent && text[n] == '-' && (n+1 == len(text) || text[n+1] == ' ' || text[n+1] == '\n' || text[n+1] == '\r'):
		return lineItem
	}
	return lineAfter
}

// yamlListHead reads what a list says of itself.
func (s *splitter) yamlListHead(l *list, text []byte, line int) {
	roots, err := s.pool.own.parseYAML(text)
	if err != nil {
		i := item{text: text, line: line}
		s.pool.own.broken(i, line+yamlFault(text, err), "yaml: head of a list: "+yamlMessage(err))
		return
	}
	for _, r := range roots {
		s.pool.learn(l, headOf(r))
	}
}

// yamlParts decodes a document item by item, if it is a list in the layout that
// kubectl prints: a broken item then costs that item only. false means that
// nothing was done.
func (d *decoder) yamlParts(i item) bool {
	at := itemsLine(i.text)
	if at < 0 {
		return false
	}
	c := &pool{ctx: d.ctx, own: d, batch: &batch{}}
	s := splitter{window: windowOn(i.text, i.line), pool: c}
	s.hold()
	s.at = len(i.text)
	if !s.yamlList(i.line, at) {
		return false
	}
	c.settle()
	return true
}

// itemsLine is where a list's items begin in a document, or -1.
func itemsLine(text []byte) int {
	for at := 0; at < len(text); {
		line := text[at:]
		if bytes.HasPrefix(line, []byte("items:\n")) || bytes.HasPrefix(line, []byte("items:\r\n")) {
			return at
		}
		end := bytes.IndexByte(line, '\n')
		if end < 0 {
			break
		}
		at += end + 1
	}
	return -1
}
