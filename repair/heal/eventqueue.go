// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"fmt"
	"sync"
	"time"
)

// maxUntold bounds the events that wait for a slow listener.
const maxUntold = 10_000

// eventQueue hands events on, in order, from one goroutine, so that nobody who acts
// waits for a pipe that nobody reads.
type eventQueue struct {
	mu     sync.Mutex
	wake   *sync.Cond
	queue  []Event
	lost   int
	closed bool
	done   chan struct{}
}

func newEventQueue(out ...func(Event)) *eventQueue {
	t := &eventQueue{done: make(chan struct{})}
	t.wake = sync.NewCond(&t.mu)
	go t.run(out)
	return t
}

func (q *eventQueue) say(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return
	case len(q.queue) >= maxUntold:
		q.lost++
		return
	case q.lost > 0:
		q.queue = append(q.queue, Event{At: e.At, Kind: Failed, Text: fmt.Sprintf("%d events were not told: nobody read them", q.lost)})
		q.lost = 0
	}
	q.queue = append(q.queue, e)
	q.wake.Signal()
}

// end waits until all is told.
func (q *eventQueue) end() {
	q.mu.Lock()
	if q.lost > 0 {
		q.queue = append(q.queue, Event{At: time.Now(), Kind: Failed, Text: fmt.Sprintf("%d events were not told: nobody read them", q.lost)})
		q.lost = 0
	}
	q.closed = true
	q.wake.Signal()
	q.mu.Unlock()
	<-q.done
}

func (q *eventQueue) run(out []func(Event)) {
	defer close(q.done)
	for {
		list, more := q.next()
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
func (q *eventQueue) next() ([]Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.queue) == 0 && !q.closed {
		q.wake.Wait()
	}
	list := q.queue
	q.queue = nil
	return list, !q.closed
}
