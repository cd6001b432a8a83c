// SPDX-License-Identifier: Apache-2.0

package document

import (
	"context"
	"errors"
	"io"
)

const (
	chunkSize  = 64 << 10
	chunkCount = 4
	firstChunk = 8 << 10 // most files are not larger
)

// feed reads a stream in a goroutine of its own, so that reading and splitting
// overlap, and so that a Read that blocks holds nobody up once ctx is done.
type feed struct {
	ctx  context.Context
	full chan chunk
	free chan []byte
	stop chan struct{}
	err  error // why the stream ended, if not because it was over
}

type chunk struct {
	text []byte
	err  error
}

func newFeed(ctx context.Context, in io.Reader) *feed {
	f := &feed{ctx: ctx, full: make(chan chunk, chunkCount), free: make(chan []byte, chunkCount), stop: make(chan struct{})}
	for range chunkCount {
		f.free <- nil // made when first needed
	}
	go f.read(in)
	return f
}

// close lets the reading goroutine end, at the latest with the Read it is in.
func (f *feed) close() { close(f.stop) }

func (f *feed) read(in io.Reader) {
	idle, size := 0, firstChunk
	for {
		var buf []byte
		select {
		case buf = <-f.free:
		case <-f.stop:
			return
		}
		if cap(buf) < size {
			buf = make([]byte, size)
		}
		n, err := in.Read(buf[:cap(buf)])
		if n == cap(buf) {
			size = chunkSize // there is more than a small file holds
		}
		if idle++; n > 0 {
			idle = 0
		}
		if err == nil && idle > 100 {
			err = io.ErrNoProgress
		}
		select {
		case f.full <- chunk{buf[:n], err}:
		case <-f.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// next gives the next chunk, which the caller gives back; ok is false at the
// end of the stream.
func (f *feed) next() (text []byte, ok bool) {
	if f.full == nil || f.ctx.Err() != nil {
		return nil, false
	}
	select {
	case <-f.ctx.Done():
		return nil, false
	case c := <-f.full:
		if c.err != nil {
			f.full = nil
			if !errors.Is(c.err, io.EOF) {
				f.err = c.err
			}
		}
		return c.text, len(c.text) > 0 || c.err == nil
	}
}

func (f *feed) back(text []byte) { f.free <- text[:0] }
