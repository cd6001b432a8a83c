// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
)

// blockSize is how much text a worker takes at once.
const blockSize = 256 << 10

// pipe decodes a text: one goroutine unzips it and cuts it at line ends,
// workers decode the blocks, and next gives the batches in the order of the
// text.
//
// What is under way stays small however a text is made: few blocks at once, and of
// long lines, which alone can make much, one.
type pipe struct {
	work   chan job
	order  chan chan *batch
	free   chan []byte
	spent  chan *batch
	done   chan struct{}
	long   chan struct{} // has the block of a long line that is under way
	ending sync.WaitGroup
}

type job struct {
	text []byte
	out  chan *batch
}

// mostWorkers bounds what is under way on a large machine: unzipping, which one does,
// keeps no more busy.
const mostWorkers = 8

func start(in *text) *pipe {
	n := min(runtime.GOMAXPROCS(0), mostWorkers)
	p := &pipe{long: make(chan struct{}, 1), work: make(chan job, n), order: make(chan chan *batch, 2*n), free: make(chan []byte, 4*n),
		spent: make(chan *batch, 4*n), done: make(chan struct{})}
	p.ending.Go(func() {
		defer close(p.order)
		defer close(p.work)
		in.err = p.cut(in)
	})
	for range n {
		p.ending.Go(func() {
			c := &cursor{}
			for j := range p.work {
				b := p.batch()
				b.long = len(j.text) > blockSize
				c.decode(j.text, b)
				p.giveBack(j.text)
				j.out <- b // which has room
			}
		})
	}
	return p
}

// next waits for a batch; more is false at the end of the text, and then the
// text tells why it ended.
func (p *pipe) next() (b *batch, more bool) {
	out, more := <-p.order
	if !more {
		return nil, false
	}
	return <-out, true
}

func (p *pipe) batch() *batch {
	select {
	case b := <-p.spent:
		return b
	default:
		return &batch{}
	}
}

// giveBackBatch lets a batch be filled again.
func (p *pipe) giveBackBatch(b *batch) {
	if b.long {
		<-p.long
	}
	b.empty()
	select {
	case p.spent <- b:
	default:
	}
}

// stop ends the work; it waits for a Read that is under way.
func (p *pipe) stop() {
	close(p.done)
	p.ending.Wait()
}

// cut reads the text and hands it over in blocks of whole lines.
func (p *pipe) cut(in io.Reader) error {
	buf, end := p.block(), 0 // end is behind the last line end in buf
	for {
		if len(buf) == cap(buf) {
			var err error
			if buf, err = p.room(buf, end); err != nil {
				return err
			}
			end = 0
			continue
		}
		n, err := in.Read(buf[len(buf):cap(buf)])
		if i := bytes.LastIndexByte(buf[len(buf):len(buf)+n], '\n'); i >= 0 {
			end = len(buf) + i + 1
		}
		buf = buf[:len(buf)+n]
		if err != nil {
			return p.finish(buf, end, err)
		}
	}
}

// room hands the whole lines over and gives a buffer with what is left and room
// behind it.
func (p *pipe) room(buf []byte, end int) ([]byte, error) {
	if end > 0 {
		rest := append(p.block(), buf[end:]...)
		return rest, p.send(buf[:end])
	}
	if len(buf) > maxRecord {
		return nil, errRecordSize
	}
	return slices.Grow(buf, min(len(buf), maxRecord+1-len(buf))), nil
}

// finish hands over what stands before the end of the text. A last line that
// lacks its line end is good; any other line was cut.
func (p *pipe) finish(buf []byte, end int, err error) error {
	if errors.Is(err, io.EOF) {
		err = nil
		if _, ok := lastLine(buf[end:]); ok {
			buf = append(buf, '\n')
			end = len(buf)
		} else if end < len(buf) {
			err = io.ErrUnexpectedEOF
		}
	}
	if end > 0 {
		if stopped := p.send(buf[:end]); stopped != nil {
			return stopped
		}
	}
	return err
}

var errStopped = errors.New("stopped")

// send hands a block over.
func (p *pipe) send(text []byte) error {
	if len(text) > blockSize {
		select {
		case p.long <- struct{}{}:
		case <-p.done:
			return errStopped
		}
	}
	out := make(chan *batch, 1)
	select {
	case p.order <- out:
	case <-p.done:
		return errStopped
	}
	select {
	case p.work <- job{text, out}:
		return nil
	case <-p.done:
		return errStopped
	}
}

func (p *pipe) block() []byte {
	select {
	case b := <-p.free:
		return b[:0]
	default:
		return make([]byte, 0, blockSize)
	}
}

// giveBack lets a block be used again, unless a long line made it large.
func (p *pipe) giveBack(text []byte) {
	if cap(text) != blockSize {
		return
	}
	select {
	case p.free <- text:
	default:
	}
}
