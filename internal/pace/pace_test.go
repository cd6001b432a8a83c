// SPDX-License-Identifier: Apache-2.0

package pace

import (
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// TestPacer: while somebody wants to save memory the collector is thrifty, and after that
// no longer.
func TestPacer(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(100)
	p := &Pacer{}
	defer p.Start()()
	percent := func(is func(uint64) bool) bool {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if metrics.Read(s); is(s[0].Value.Uint64()) {
				return true
			}
		}
		return false
	}
	one, other := p.Save(), p.Save()
	one()
	if !percent(func(n uint64) bool { return n == thrifty }) {
		t.Error("it is not thrifty")
	}
	other()
	if !percent(func(n uint64) bool { return n > thrifty }) {
		t.Error("it stays thrifty")
	}
}
