// SPDX-License-Identifier: Apache-2.0

package document

import "bytes"

// maxNesting bounds lists in lists: what is deeper counts as one object.
const maxNesting = 8

const tooNested = "lists are nested too deep"

// The stops of passBody.
type stop int

const (
	stopEnd   stop = iota // behind the object
	stopItems             // at what follows "items":, which is an array or null
	stopCut               // the stream is over
)

// jsonDocument passes over one JSON value that no list holds.
func (s *splitter) jsonDocument() { s.jsonItem(nil, 0) }

// jsonItem passes over one value that stands where an object is expected;
// false where the stream ends in it.
func (s *splitter) jsonItem(in *list, nesting int) bool {
	c, ok := s.peek()
	switch {
	case !ok:
		return false
	case c == '{':
		return s.jsonObject(in, nesting)
	case c == '[' && nesting < maxNesting:
		return s.jsonElements(&list{}, nesting+1)
	}
	return s.jsonScalar()
}

// jsonObject passes over an object. One that has items is a list: its items
// are cut out of it one by one, and only what stands around them is its own.
func (s *splitter) jsonObject(in *list, nesting int) bool {
	line := s.lineNumber()
	var own *list
	for depth := 0; ; depth = 1 {
		s.hold()
		at := s.passBody(depth, nesting < maxNesting)
		text, whole := s.release()
		switch {
		case at == stopCut:
			return s.truncated(line, "json: unexpected end of text")
		case at == stopEnd && own == nil:
			s.emit(item{text: text, whole: whole, line: line, list: in})
			return true
		case own == nil:
			own = &list{object: true}
			s.listHead(own, closed(text), whole, line)
			own.early = own.known
		case at == stopEnd:
			s.listHead(own, opened(text), whole, line)
			if own.known {
				in.name()
			}
			s.pool.endList(own)
			return true
		default:
			s.pool.own.partial(s.lineNumber(), `key "items" twice in a list`)
		}
		if !s.jsonElements(own, nesting+1) {
			return false
		}
	}
}

// listHead reads what a list says of itself.
func (s *splitter) listHead(l *list, text []byte, whole bool, line int) {
	h, err := head{}, errTooLarge
	if whole {
		h, err = s.pool.own.bracketHead(text)
	}
	if err != nil {
		s.pool.own.bad(line, "json: head of a list: "+err.Error())
		return
	}
	s.pool.learn(l, h)
}

// closed makes an object of what stands before a list's items.
func closed(head []byte) []byte { return append(append([]byte{}, head...), "null}"...) }

// opened makes an object of what stands behind them.
func opened(tail []byte) []byte {
	out := append([]byte{}, tail...)
	for i, c := range out {
		if c == ',' {
			out[i] = '{'
			return out
		}
	}
	return []byte("{}")
}

// structural marks the bytes that matter outside of strings.
var structural = [256]bool{'"': true, '{': true, '}': true, '[': true, ']': true}

// passBody goes on until the brackets that are open at depth are closed, or to
// the items of a list.
func (s *splitter) passBody(depth int, lists bool) stop {
	quoted := false
	for {
		if s.at == len(s.buf) && !s.more() {
			return stopCut
		}
		if quoted {
			quoted = s.passString()
			continue
		}
		rest := s.buf[s.at:]
		i := 0
		for i < len(rest) && !structural[rest[i]] {
			i++
		}
		s.at += i
		if i == len(rest) {
			continue
		}
		s.at++
		switch rest[i] {
		case '"':
			quoted = true
			if depth == 1 && lists {
				if s.atItems() {
					return stopItems
				}
			}
		case '{', '[':
			depth++
		default:
			if depth--; depth <= 0 {
				return stopEnd
			}
		}
	}
}

// passString goes behind the string's closing quote; true while it is not in
// sight. JSON strings hold no line ends, so that a string that was never closed
// ends there, and what follows is found again.
func (s *splitter) passString() (open bool) {
	for i := s.at; i < len(s.buf); i++ {
		switch s.buf[i] {
		case '"':
			s.at = i + 1
			return false
		case '\n':
			s.at = i
			return false
		case '\\':
			if i++; i == len(s.buf) {
				s.at = i - 1
				if len(s.need(2)) < 2 {
					s.at = len(s.buf)
					return true
				}
				s.at += 2
				return true
			}
		}
	}
	s.at = len(s.buf)
	return true
}

// passQuoted goes behind the closing quote; false where there is none.
func (s *splitter) passQuoted() bool {
	for {
		if s.at == len(s.buf) && !s.more() {
			return false
		}
		if !s.passString() {
			return true
		}
	}
}

// atItems reports whether the key that begins here is that of a list's items,
// and goes to their bracket. Where it is not, nothing is passed over.
func (s *splitter) atItems() bool {
	const key = `items"`
	if text := s.need(len(key)); len(text) < len(key) || string(text[:len(key)]) != key {
		return false
	}
	n := len(key)
	n += spaces(s.need(n + farSight)[n:])
	if text := s.need(n + 1); len(text) <= n || text[n] != ':' {
		return false
	}
	n++
	n += spaces(s.need(n + farSight)[n:])
	text := s.need(n + len("null"))[n:]
	if !bytes.HasPrefix(text, []byte("[")) && !bytes.HasPrefix(text, []byte("null")) {
		return false
	}
	s.at += n
	return true
}

func spaces(text []byte) int {
	for i, c := range text {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return i
		}
	}
	return len(text)
}

// jsonElements passes over an array, each of whose elements is an item, or over
// the null that Go makes of a list without items.
func (s *splitter) jsonElements(l *list, nesting int) bool {
	line := s.lineNumber()
	if s.buf[s.at] == 'n' {
		s.at += len("null")
		return true
	}
	s.at++
	want := false // an element must follow
	for first := true; ; first = false {
		c, ok := s.passSpace()
		switch {
		case !ok:
			return s.truncated(line, "json: unexpected end of text")
		case c == ']':
			s.at++
			if want {
				s.pool.own.bad(s.lineNumber(), "json: comma before ]")
			}
			return true
		case c == ',' && !want && !first:
			s.at++
			want = true
		case c == ',' || c == '}' || c == ':':
			s.pool.own.bad(s.lineNumber(), "json: unexpected "+string(rune(c)))
			s.at++
		default:
			if !want && !first {
				s.pool.own.bad(s.lineNumber(), "json: missing comma")
			}
			if c != '{' && c != '[' && c != 'n' && l.odd == 0 {
				l.odd = s.lineNumber()
			}
			if !s.jsonItem(l, nesting) {
				return false
			}
			want = false
		}
	}
}

func (s *splitter) passSpace() (byte, bool) {
	for {
		s.at += spaces(s.buf[s.at:])
		if s.at < len(s.buf) {
			return s.buf[s.at], true
		}
		if !s.more() {
			return 0, false
		}
	}
}

// jsonScalar passes over a value that is no object, or an array that is nested
// too deep to be unfolded.
func (s *splitter) jsonScalar() bool {
	line := s.lineNumber()
	switch s.buf[s.at] {
	case '"':
		s.at++
		return s.passQuoted() || s.truncated(line, "json: unexpected end of text")
	case '[':
		s.pool.own.bad(line, tooNested)
		return s.passBody(0, false) == stopEnd || s.truncated(line, "json: unexpected end of text")
	}
	for {
		for ; s.at < len(s.buf); s.at++ {
			switch s.buf[s.at] {
			case ',', ']', '}', '{', '[', '"', ' ', '\t', '\r', '\n':
				return true
			}
		}
		if !s.more() {
			return true
		}
	}
}
