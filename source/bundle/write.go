// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"whohas/snapshot"
)

// header is the first line of a file.
type header struct {
	Format  string `json:"format"` // first: Is looks for it
	Version int    `json:"version"`
	Tool    string `json:"tool,omitempty"`
	Taken   string `json:"taken,omitempty"`

	// How much room the reader needs; no promise.
	Objects int `json:"objects,omitempty"`
	Pods    int `json:"pods,omitempty"`
	Slices  int `json:"slices,omitempty"`
}

// flushSize is how much text is gathered before it is compressed.
const flushSize = 64 << 10

// Write writes a snapshot. The same snapshot gives the same bytes. tool names
// the program and its version, for whoever wonders later.
func Write(w io.Writer, s *snapshot.Snapshot, tool string) error {
	zip := gzip.NewWriter(w) // its header carries no time
	out := &writer{zip: zip}
	if err := out.all(s, tool); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := zip.Close(); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

type writer struct {
	zip     *gzip.Writer
	buf     []byte
	records int
	marks   marks
}

func (w *writer) all(s *snapshot.Snapshot, tool string) error {
	if err := w.header(s, tool); err != nil {
		return err
	}
	for _, o := range s.Objects {
		if err := w.record(func(b []byte) ([]byte, error) { return w.object(b, o) }); err != nil {
			return fmt.Errorf("%s: %w", o.Ref, err)
		}
	}
	for i := range s.Pods {
		if err := w.record(func(b []byte) ([]byte, error) { return appendPod(b, &s.Pods[i]), nil }); err != nil {
			return fmt.Errorf("%s: %w", s.Pods[i].Ref(), err)
		}
	}
	for i := range s.Slices {
		if err := w.record(func(b []byte) ([]byte, error) { return appendSlice(b, &s.Slices[i]), nil }); err != nil {
			return fmt.Errorf("%s: %w", s.Slices[i].Ref, err)
		}
	}
	for i := range s.Hosts {
		if err := w.record(func(b []byte) ([]byte, error) { return appendHost(b, &s.Hosts[i]) }); err != nil {
			return fmt.Errorf("host %s: %w", s.Hosts[i].Name, err)
		}
	}
	// Last: what says that a kind is complete must not outlive its objects in
	// a file that was cut off.
	for _, c := range s.Coverage {
		if err := w.record(func(b []byte) ([]byte, error) { return appendCoverage(b, c), nil }); err != nil {
			return fmt.Errorf("coverage of %s: %w", c.Source, err)
		}
	}
	w.buf = append(strconv.AppendInt(append(w.buf, `{"end":`...), int64(w.records), 10), "}\n"...)
	return w.flush(0)
}

func (w *writer) header(s *snapshot.Snapshot, tool string) error {
	h := header{Format: format, Version: version, Tool: tool, Objects: len(s.Objects), Pods: len(s.Pods), Slices: len(s.Slices)}
	if !s.Taken.IsZero() {
		h.Taken = s.Taken.UTC().Format(time.RFC3339Nano)
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if _, err := w.zip.Write(append(text, '\n')); err != nil {
		return err
	}
	return w.zip.Flush() // a block of its own, for Is
}

var errRecordSize = fmt.Errorf("larger than %d MiB", maxRecord>>20)

func (w *writer) record(encode func([]byte) ([]byte, error)) error {
	begin := len(w.buf)
	b, err := encode(w.buf)
	if err != nil {
		return err
	}
	if len(b)-begin > maxRecord {
		return errRecordSize
	}
	w.buf = append(b, '\n')
	w.records++
	return w.flush(flushSize)
}

func (w *writer) flush(least int) error {
	if len(w.buf) < least {
		return nil
	}
	_, err := w.zip.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *writer) object(b []byte, o *snapshot.Object) ([]byte, error) {
	r := openRecord(b, "object")
	r.ref(o.Ref)
	r.text(o.Version)
	w.marks.reset(o.Line)
	var err error
	if r.b, err = w.marks.append(r.comma(), &o.Root, 0); err != nil {
		return nil, err
	}
	if o.Root.Kind != snapshot.Absent {
		r.keep()
	}
	r.text(o.File)
	r.number(o.Line)
	r.b = w.marks.appendLines(r.comma())
	if w.marks.moved {
		r.keep()
	}
	r.b = w.marks.appendOdd(r.comma())
	if len(w.marks.odd) > 0 {
		r.keep()
	}
	return r.close(), nil
}

var errOddKind = errors.New("value of unknown kind")
