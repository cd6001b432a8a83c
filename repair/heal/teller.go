// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"fmt"
	"sync"
	"time"
)

// maxUntold bounds the events that wait for a slow listener.
const maxUntold = 10_000

// teller hands events on, in order, from one goroutine, so that nobody who acts
// waits for a pipe that nobody reads.
type teller struct {
	mu     sync.Mutex
	wake   *sync.Cond
	queue  []Event
	lost   int
	closed bool
	done   chan struct{}
}

func newTeller(out ...func(Event)) *teller {
	t := &teller{done: make(chan struct{})}
	t.wake = sync.NewCond(&t.mu)
	go t.run(out)
	return t
}

func (t *teller) say(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return
	case len(t.queue) >= maxUntold:
		t.lost++
		return
	case t.lost > 0:
		t.queue = append(t.queue, Event{At: e.At, Kind: Failed, Text: fmt.Sprintf("%d events were not told: nobody read them", t.lost)})
		t.lost = 0
	}
	t.queue = append(t.queue, e)
	t.wake.Signal()
}

// end waits until all is told.
func (t *teller) end() {
	t.mu.Lock()
	if t.lost > 0 {
		t.queue = append(t.queue, Event{At: time.Now(), Kind: Failed, Text: fmt.Sprintf("%d events were not told: nobody read them", t.lost)})
		t.lost = 0
	}
	t.closed = true
	t.wake.Signal()
	t.mu.Unlock()
	<-t.done
}

func (t *teller) run(out []func(Event)) {
	defer close(t.done)
	for {
		list, more := t.next()
		for _, e := range list {
			for _, f := range out {
				f(e)
			}
		}
		if !more {
			return
		}
	}
}

// next is what there is to tell; false: nothing will follow.
func (t *teller) next() ([]Event, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) == 0 && !t.closed {
		t.wake.Wait()
	}
	list := t.queue
	t.queue = nil
	return list, !t.closed
}
