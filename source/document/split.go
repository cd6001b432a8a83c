// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"strings"
)

// splitter cuts a stream into texts of one object each. It looks at each
// document on its own: JSON, YAML and the log sections of a cluster-info dump
// may follow each other.
type splitter struct {
	*window
	pool *pool
	cut  bool // the stream ended in the middle of something; told already
}

const (
	logStart = "==== START logs for container "
	logEnd   = "==== END logs for container "
	farSight = 4 << 10 // how far white space is followed to see what comes
)

func (s *splitter) stream() {
	if why := unreadable(s.need(chunkSize)); why != "" {
		s.pool.own.bad(0, why)
		return
	}
	for s.document() {
	}
}

// unreadable tells why a stream that begins so can hold no text.
func unreadable(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return "text is UTF-16, not UTF-8"
	case bytes.IndexByte(head, 0) >= 0:
		return "binary file"
	}
	return ""
}

// document passes over what comes next; false at the end of the stream.
func (s *splitter) document() bool {
	s.passBlank()
	text := s.need(farSight)
	shown := bytes.TrimLeft(text, " \t\r\n")
	if len(shown) == 0 {
		s.at += len(text)
		return len(text) > 0
	}
	switch {
	case s.marker("---"):
		s.at += len("---")
	case s.marker("..."):
		s.at += len("...")
	case bytes.HasPrefix(text, []byte(logStart)):
		s.passLog()
	case looksJSON(shown):
		s.at += len(text) - len(shown)
		s.jsonDocument()
	case strings.IndexByte("}],", shown[0]) >= 0:
		s.pool.own.bad(s.lineNumber(), "json: unexpected "+string(shown[:1]))
		s.passLine()
	default:
		s.yamlDocument()
	}
	return true
}

// passBlank goes to the first line that shows something: its indentation may
// mean something.
func (s *splitter) passBlank() {
	for {
		text := s.need(farSight)
		text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
		s.at = len(s.buf) - len(text)
		shown := len(text) - len(bytes.TrimLeft(text, " \t\r\n"))
		end := bytes.LastIndexByte(text[:shown], '\n')
		if end < 0 {
			return
		}
		s.at += end + 1
	}
}

// marker reports whether a YAML document marker stands here.
func (s *splitter) marker(mark string) bool {
	text := s.need(len(mark) + 1)
	if !bytes.HasPrefix(text, []byte(mark)) {
		return false
	}
	return len(text) == len(mark) || strings.IndexByte(" \t\r\n", text[len(mark)]) >= 0
}

// looksJSON tells JSON from YAML's own bracketed form and from a template.
func looksJSON(text []byte) bool {
	follows := bytes.TrimLeft(text[1:], " \t\r\n")
	if len(follows) == 0 {
		return text[0] == '{' || text[0] == '['
	}
	switch text[0] {
	case '{':
		return follows[0] == '"' || follows[0] == '}'
	case '[':
		return strings.IndexByte(`{["]-0123456789`, follows[0]) >= 0
	}
	return false
}

// passLog goes behind a log section. Its last line may lack an end, so that the
// closing line need not begin a line.
func (s *splitter) passLog() {
	line := s.lineNumber()
	head := s.need(farSight)
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		head = head[:i]
	}
	end := []byte(logEnd + strings.TrimSpace(strings.TrimPrefix(string(head), logStart)))
	s.at += len(logStart)
	for {
		if i := bytes.Index(s.buf[s.at:], end); i >= 0 {
			s.at += i
			s.passLine()
			return
		}
		// The closing line may be half in sight.
		s.at = max(s.at, len(s.buf)-len(end))
		if !s.more() {
			s.at = len(s.buf)
			s.truncated(line, "log section has no end")
			return
		}
	}
}

// truncated tells that the stream ends in the middle of what began at line; it
// is false, as what goes on after it.
func (s *splitter) truncated(line int, what string) bool {
	if s.cut || s.feed != nil && (s.feed.err != nil || s.feed.ctx.Err() != nil) {
		return false // the caller is told of these
	}
	s.cut = true
	s.pool.own.bad(line, what)
	return false
}
