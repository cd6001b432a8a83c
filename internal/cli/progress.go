// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"whohas/report"
)

// progress shows on a terminal what is being read: nothing in the first half
// second, then one line that is written over. It is safe for concurrent use.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	begun time.Time
	last  time.Time
	shown bool
	files int
	now   func() time.Time
}

func (e *env) progress() *progress {
	p := &progress{now: e.now, begun: e.now()}
	if _, ok := terminal(e.Stderr); ok {
		p.w = e.Stderr
	}
	return p
}

func (p *progress) file(name string) {
	p.mu.Lock()
	p.files++
	n := p.files
	p.mu.Unlock()
	p.show(fmt.Sprintf("reading %s (%d)", name, n))
}

func (p *progress) kind(name string, objects int) {
	p.show(fmt.Sprintf("reading %s: %d", name, objects))
}

func (p *progress) show(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.w == nil || now.Sub(p.begun) < 500*time.Millisecond || now.Sub(p.last) < 100*time.Millisecond {
		return
	}
	p.last, p.shown = now, true
	fmt.Fprintf(p.w, "\r\x1b[K%.78s", report.Shown(line))
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
