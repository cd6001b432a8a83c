// SPDX-License-Identifier: Apache-2.0

// Package pace keeps the garbage collector at the pace that fits what is alive.
package pace

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// paces are how much garbage the collector may let stand, in percent of what is
// alive, by how much that is. Most of what passes through while a dump is read is
// garbage at once: with little alive, collecting it often is wasted time, and
// with much alive, letting it stand is most of the memory of the run.
var paces = []struct {
	alive   uint64
	percent int
}{{12 << 20, 400}, {40 << 20, 100}, {55 << 20, 50}, {1 << 63, 22}}

// thrifty is the pace while much garbage is made beside much that stays: an audit's,
// beside the guard's register.
const thrifty = 8

// Pacer keeps the collector at the pace that fits until it is stopped. GOGC in the
// environment beats it. The zero value is ready; it is safe for concurrent use.
type Pacer struct {
	Alive func(bytes uint64) // told each time how much is alive; may be nil
	saves atomic.Int32       // who wants to be thrifty now
}

// Start begins, until stop is called.
func (p *Pacer) Start() (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		p.keep(tick.C, done)
	}()
	return func() { close(done) }
}

func (p *Pacer) keep(tick <-chan time.Time, done <-chan struct{}) {
	paced := os.Getenv("GOGC") == ""
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for now := 0; ; {
		metrics.Read(live)
		if v := live[0].Value; p.Alive != nil && v.Kind() == metrics.KindUint64 {
			p.Alive(v.Uint64())
		}
		want := pace(live[0].Value)
		if p.saves.Load() > 0 {
			want = min(want, thrifty)
		}
		if want != now && paced {
			debug.SetGCPercent(want)
			now = want
		}
		select {
		case <-done:
			return
		case <-tick:
		}
	}
}

// Save lets little garbage stand until it is ended.
func (p *Pacer) Save() (end func()) {
	p.saves.Add(1)
	return func() { p.saves.Add(-1) }
}

func pace(live metrics.Value) int {
	if live.Kind() != metrics.KindUint64 {
		return 100
	}
	for _, p := range paces {
		if live.Uint64() < p.alive {
			return p.percent
		}
	}
	return 100
}
