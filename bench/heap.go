// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// liveHeap is what is left after the garbage is collected.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one only marks as finished
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// heapWatch samples the heap, with the garbage in it. It asks runtime/metrics,
// which does not stop what it watches.
type heapWatch struct {
	end  chan struct{}
	peak chan uint64
}

func watchHeap() heapWatch {
	w := heapWatch{end: make(chan struct{}), peak: make(chan uint64)}
	go w.watch()
	return w
}

func (w heapWatch) watch() {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var most uint64
	for {
		metrics.Read(sample)
		most = max(most, sample[0].Value.Uint64())
		select {
		case <-tick.C:
		case <-w.end:
			w.peak <- most
			return
		}
	}
}

func (w heapWatch) stop() uint64 {
	close(w.end)
	return <-w.peak
}
