// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
)

// window is the stretch of a stream that is being looked at. It moves forward
// only; the text from hold on is kept until release, up to MaxItem.
type window struct {
	feed *feed // nil: all there is stands in buf
	buf  []byte
	at   int  // the next byte
	from int  // where the held text begins; -1 where none is held
	lost bool // the held text grew too large and was let go

	line    int // of buf[counted]
	counted int
}

const (
	notHeld    = -1
	windowSize = 256 << 10
)

func newWindow(f *feed) *window { return &window{feed: f, from: notHeld, line: 1} }

// windowOn looks at a text whose first line has that number.
func windowOn(text []byte, line int) *window { return &window{buf: text, from: notHeld, line: line} }

// more brings in text behind what is there; false at the end of the stream.
func (w *window) more() bool {
	if w.feed == nil {
		return false
	}
	text, ok := w.feed.next()
	if !ok {
		return false
	}
	w.slide(len(text))
	w.buf = append(w.buf, text...)
	w.feed.back(text)
	return true
}

// slide makes room by dropping what is behind.
func (w *window) slide(need int) {
	if w.from != notHeld && w.at-w.from > MaxItem {
		w.lost = true
	}
	if len(w.buf)+need <= cap(w.buf) && !w.lost {
		return
	}
	keep := w.at
	if w.from != notHeld && !w.lost {
		keep = w.from
	}
	w.count(keep)
	rest := w.buf[keep:]
	if need == chunkSize && len(rest)+need <= windowSize && cap(w.buf) != windowSize {
		// A stream that is not small, and after an object that made the window grow.
		w.buf = append(make([]byte, 0, windowSize), rest...)
	} else {
		w.buf = w.buf[:copy(w.buf, rest)]
	}
	w.at -= keep
	w.counted -= keep
	if w.from != notHeld {
		w.from = max(w.from-keep, 0)
	}
}

// need makes sure that n bytes are in sight, as far as the stream has them.
func (w *window) need(n int) []byte {
	for len(w.buf)-w.at < n && w.more() {
	}
	return w.buf[w.at:]
}

// peek gives the next byte.
func (w *window) peek() (byte, bool) {
	for w.at == len(w.buf) {
		if !w.more() {
			return 0, false
		}
	}
	return w.buf[w.at], true
}

func (w *window) hold() { w.from, w.lost = w.at, false }

// release gives the held text up to here, which is valid until the window
// moves; ok is false if it was too large to hold.
func (w *window) release() (text []byte, ok bool) {
	text, ok = w.buf[w.from:w.at], !w.lost && w.at-w.from <= MaxItem
	w.from, w.lost = notHeld, false
	if !ok {
		return nil, false
	}
	return text, true
}

// lineNumber is the number of the line that the next byte stands on.
func (w *window) lineNumber() int {
	w.count(w.at)
	return w.line
}

func (w *window) count(to int) {
	if to > w.counted {
		w.line += bytes.Count(w.buf[w.counted:to], newline)
		w.counted = to
	}
}

var newline = []byte("\n")

// passLine goes to the beginning of the next line; false at the end.
func (w *window) passLine() bool {
	for {
		if i := bytes.IndexByte(w.buf[w.at:], '\n'); i >= 0 {
			w.at += i + 1
			return true
		}
		w.at = len(w.buf)
		if !w.more() {
			return false
		}
	}
}
