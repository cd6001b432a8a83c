// SPDX-License-Identifier: Apache-2.0

package document

import (
	"context"
	"fmt"
	"runtime"
	"sync"
)

const (
	batchSize = 256 << 10
	bigItem   = 1 << 20 // decoded where it stands: few such are in memory at once
)

var errTooLarge = fmt.Errorf("larger than %d MiB", MaxItem>>20)

// item is a text that holds one object, or one YAML document.
type item struct {
	text  []byte
	whole bool // false: it was too large to hold
	line  int  // of its first byte
	list  *list
	yaml  bool
	part  bool // of a YAML list that was split at its items
}

// pool decodes items. The workers start when there is enough for them to do:
// a stream of one batch is decoded by the caller.
type pool struct {
	ctx     context.Context
	own     *decoder // the splitter's
	batch   *batch
	work    chan *batch
	free    chan *batch
	under   sync.WaitGroup // batches under way
	ended   sync.WaitGroup // workers
	workers []*decoder
}

type batch struct {
	text  []byte
	items []item
}

func newPool(ctx context.Context, r *Reading) *pool {
	return &pool{ctx: ctx, own: newDecoder(ctx, r), batch: &batch{}}
}

// emit hands an item over. Its text may change afterwards.
func (s *splitter) emit(i item) {
	c := s.pool
	switch {
	case !i.whole:
		c.own.bad(i.line, "object is "+errTooLarge.Error())
	case len(i.text) > bigItem:
		c.own.item(i)
	default:
		b := c.batch
		from := len(b.text)
		b.text = append(b.text, i.text...)
		i.text = b.text[from:] // an older array stays good: it is not written to again
		b.items = append(b.items, i)
		if len(b.text) >= batchSize {
			c.send()
		}
	}
}

// send hands the batch to the workers.
func (c *pool) send() {
	if c.work == nil {
		c.start(runtime.GOMAXPROCS(0))
	}
	c.under.Add(1)
	c.work <- c.batch
	c.batch = <-c.free
}

func (c *pool) start(n int) {
	c.work, c.free = make(chan *batch, n), make(chan *batch, 2*n+1)
	for range 2 * n {
		c.free <- &batch{}
	}
	for range n {
		d := newDecoder(c.ctx, c.own.reading)
		d.told = c.own.told
		c.workers = append(c.workers, d)
		c.ended.Go(func() {
			for b := range c.work {
				d.batch(b)
				c.under.Done()
				c.free <- b
			}
		})
	}
}

// settle waits until everything handed over is decoded.
func (c *pool) settle() {
	c.own.batch(c.batch)
	c.under.Wait()
}

// finish ends the work and gives what it came to.
func (c *pool) finish() Result {
	c.settle()
	if c.work != nil {
		close(c.work)
		c.ended.Wait()
	}
	result := c.own.result
	c.own.names.free()
	for _, d := range c.workers {
		result.Add(d.result)
		d.names.free()
	}
	return result
}

// learn takes in what a list says of itself.
func (c *pool) learn(l *list, h head) {
	l.learn(h)
	if h.next != "" {
		c.own.result.Continue = h.next
	}
	if h.version != "" {
		c.own.result.Version = h.version
	}
}

// endList decodes what waited for the list's kind.
func (c *pool) endList(l *list) {
	c.own.emptyList(l)
	if !l.early {
		c.settle()
	}
	l.mu.Lock()
	late, overflow := l.untyped, l.overflow
	l.untyped, l.overflow = nil, 0
	stranger, own := !l.known && !l.named.Load(), l.own
	l.known = true
	l.mu.Unlock()
	if stranger {
		c.own.result.Strangers++ // one document, which happens to have items
		return
	}
	if l.odd > 0 && c.own.lists(own) {
		c.own.bad(l.odd, noItem)
	}
	for _, i := range late {
		c.own.item(i)
	}
	if overflow > 0 {
		c.own.bad(late[0].line, fmt.Sprintf("%d objects whose kind their list names only after them", overflow))
	}
}
