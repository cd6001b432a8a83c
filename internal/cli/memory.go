// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// paces are how much garbage the collector may let stand, in percent of what is
// alive, by how much that is. Most of what passes through while a dump is read is
// garbage at once: with little alive, collecting it often is wasted time, and
// with much alive, letting it stand is most of the memory of the run.
var paces = []struct {
	alive   uint64
	percent int
}{{12 << 20, 400}, {40 << 20, 100}, {70 << 20, 50}, {1 << 63, 22}}

// paceCollector keeps the collector at the pace that fits until it is stopped.
// GOGC in the environment beats it. Each time it tells how much is alive.
func paceCollector(alive func(bytes uint64)) (stop func()) {
	paced := os.Getenv("GOGC") == ""
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for now := 0; ; {
			metrics.Read(live)
			if v := live[0].Value; v.Kind() == metrics.KindUint64 {
				alive(v.Uint64())
			}
			if p := pace(live[0].Value); p != now && paced {
				debug.SetGCPercent(p)
				now = p
			}
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(done) }
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
