// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"whohas/snapshot"
)

// Read reads a snapshot into a Builder; name is what the file is called in
// messages. A *PartialError says that some of it was read. Once ctx is done it ends.
func Read(ctx context.Context, r io.Reader, name string, into *snapshot.Builder) error {
	return ReadAs(ctx, r, name, snapshot.Reads{}, into)
}

// ReadAs is Read, and tells in the coverage which fields of the objects are of
// another type than declared: whoever made the file, nobody takes what cannot be
// read there for nothing.
func ReadAs(ctx context.Context, r io.Reader, name string, reads snapshot.Reads, into *snapshot.Builder) error {
	in, err := open(ctx, r)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	into.TakenAt(in.taken)
	into.Expect(room(in.header.Objects), room(in.header.Pods), room(in.header.Slices))
	l := loader{name: name, reads: reads, into: into}
	if err := l.load(in); err != nil {
		return &PartialError{File: name, Err: err}
	}
	return nil
}

// room is how much is made for what a header says: it may say anything.
func room(n int) int { return max(0, min(n, 1<<18)) }

var errForeign = errors.New("not a snapshot of whohas")

// open reads the header.
func open(ctx context.Context, r io.Reader) (*text, error) {
	in := &text{ctx: ctx, zipped: counted{r: r}}
	zip, err := gzip.NewReader(bufio.NewReaderSize(&in.zipped, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errForeign, err)
	}
	in.zip = zip
	line, err := in.headerLine()
	if err != nil {
		return nil, err
	}
	h := &in.header
	if err := json.Unmarshal(line, h); err != nil || h.Format != format {
		return nil, errForeign
	}
	switch {
	case h.Version > version:
		return nil, fmt.Errorf("snapshot of format version %d, written by %s; this program reads version %d", h.Version, or(h.Tool, "a later version"), version)
	case h.Version < 1:
		return nil, errors.New("header names no version")
	}
	if in.taken, err = taken(h.Taken); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return in, nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func taken(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, text)
}

// loader puts batches into a Builder in the order of the file.
type loader struct {
	name     string
	reads    snapshot.Reads
	into     *snapshot.Builder
	records  int
	strange  int
	newer    int
	ended    bool
	coverage []snapshot.Coverage
}

func (l *loader) load(in *text) error {
	p := start(in)
	var err error
	for err == nil {
		b, more := p.next()
		if !more {
			err = in.err
			break
		}
		err = l.add(b)
		p.giveBackBatch(b)
	}
	p.stop()
	if err == nil && !l.ended {
		err = io.ErrUnexpectedEOF
	}
	l.cover(l.told(err))
	return l.told(err)
}

// told says where an error stands.
func (l *loader) told(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("truncated after record %d", l.records)
	case l.ended:
		return fmt.Errorf("after the last record, %d: %w", l.records, err)
	}
	return fmt.Errorf("record %d: %w", l.records+1, err)
}

func (l *loader) add(b *batch) error {
	if l.ended {
		return errBehind
	}
	for _, o := range b.objects {
		l.checkTypes(o)
		l.into.AddObject(o)
	}
	for i := range b.pods {
		l.into.AddPod(b.pods[i])
	}
	for i := range b.slices {
		l.into.AddSlice(b.slices[i])
	}
	for i := range b.hosts {
		l.into.AddHost(b.hosts[i])
	}
	for _, c := range b.coverage { // which waits for the end
		if l.into.Budget.Take(c.Size()) {
			l.coverage = append(l.coverage, c)
		}
	}
	l.records += b.records
	l.strange += b.strange
	l.newer += b.newer
	l.ended = b.ended
	if b.err == nil && b.ended && b.promised != l.records {
		return fmt.Errorf("%d records were announced", b.promised)
	}
	return b.err
}

// checkTypes tells of an object as its own source did, or should have.
func (l *loader) checkTypes(o *snapshot.Object) {
	kind, fields, ok := l.reads.Kind(o.Ref.Group, o.Ref.Kind)
	if !ok {
		return
	}
	fields.Check(&o.Root, func(f snapshot.Fault) {
		c := f.Cover(o.Ref)
		if c.Source = o.File; o.File == "" {
			c.Source = kind.Source()
		}
		l.coverage = append(l.coverage, c)
	})
}

// cover restores the coverage. Of a file that was not read whole no line says
// that a kind is complete.
func (l *loader) cover(err error) {
	for _, c := range l.coverage {
		if err != nil {
			c.Complete = false
		}
		l.into.Cover(c)
	}
	if l.strange > 0 {
		l.into.Cover(snapshot.Coverage{Source: l.name, Status: snapshot.StatusPartial, Count: l.strange, Detail: "records that only a later version knows"})
	}
	if l.newer > 0 {
		l.into.Cover(snapshot.Coverage{Source: l.name, Status: snapshot.StatusPartial, Count: l.newer, Detail: "hosts with members that only a later version knows"})
	}
	if err != nil {
		l.into.Cover(snapshot.Coverage{Source: l.name, Status: snapshot.StatusUnreadable, Detail: err.Error(), Failed: true})
	}
}

// text is the unzipped text of a file.
type text struct {
	ctx    context.Context
	zipped counted
	zip    *gzip.Reader
	header header
	rest   []byte // behind the header
	read   int64
	taken  time.Time
	err    error // why the text ended before its end
}

// counted counts what passes through.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

const (
	maxHeader = 64 << 10
	// What expands more than this is no snapshot but made to fill memory: that of a
	// cluster of 5,000 nodes and 150,000 Pods expands nine-fold (decision 0021).
	maxExpansion = 100
	mayExpand    = 64 << 20
)

func (t *text) headerLine() ([]byte, error) {
	buf := make([]byte, 0, 4<<10)
	for len(buf) < maxHeader {
		buf = append(buf, make([]byte, 512)...)
		n, err := t.zip.Read(buf[len(buf)-512:])
		buf = buf[:len(buf)-512+n]
		if len(buf) >= len(magic) && !bytes.HasPrefix(buf, []byte(magic)) {
			return nil, errForeign
		}
		if end := bytes.IndexByte(buf, '\n'); end >= 0 {
			t.rest = buf[end+1:]
			return buf[:end], nil
		}
		if err != nil {
			return nil, fmt.Errorf("header: %w", noEOF(err))
		}
	}
	return nil, errForeign
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Read gives what stands behind the header.
func (t *text) Read(p []byte) (n int, err error) {
	if len(t.rest) > 0 {
		n = copy(p, t.rest)
		t.rest = t.rest[n:]
		return n, nil
	}
	if t.ctx.Err() != nil {
		return 0, context.Cause(t.ctx)
	}
	n, err = t.zip.Read(p)
	t.read += int64(n)
	if t.read > mayExpand && t.read/maxExpansion > t.zipped.n {
		return n, fmt.Errorf("expands more than %d-fold", maxExpansion)
	}
	return n, err
}
