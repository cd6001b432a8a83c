// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"
	"net/netip"
	"testing"

	"whohas/dataplane"
)

// TestBudget: whatever sort of thing comes without end, what is kept stops at the
// bound, and whoever set it is told once.
func TestBudget(t *testing.T) {
	ip := netip.MustParseAddr("192.0.2.1")
	for name, add := range map[string]func(*Builder, int){
		"objects": func(b *Builder, i int) {
			b.AddObject(&Object{Ref: Ref{Kind: "Service", Name: fmt.Sprint(i)}, Root: Value{Kind: Map, Keyset: KeysetOf("a"), Items: []Value{{Kind: String, Text: "b"}}}})
		},
		"pods, read": func(b *Builder, i int) {
			b.Add(&Object{Ref: Ref{Kind: "Pod", Namespace: "n", Name: fmt.Sprint(i)}})
		},
		"pods":   func(b *Builder, i int) { b.AddPod(Pod{Namespace: "n", Name: fmt.Sprint(i), IPs: []netip.Addr{ip}}) },
		"nodes":  func(b *Builder, i int) { b.AddPod(Pod{Node: fmt.Sprint(i)}) },
		"slices": func(b *Builder, i int) { b.AddSlice(EndpointSlice{Ref: Ref{Name: fmt.Sprint(i)}}) },
		"hosts": func(b *Builder, i int) {
			b.AddHost(dataplane.Host{Name: fmt.Sprint(i), Routes: make([]dataplane.Route, 3)})
		},
		"coverage": func(b *Builder, i int) { b.Cover(Coverage{Source: fmt.Sprint(i)}) },
		"shapes": func(b *Builder, i int) {
			b.AddObject(&Object{Root: Value{Kind: Map, Keyset: KeysetOf(fmt.Sprint(i)), Items: make([]Value, 1)}})
		},
	} {
		const bound, many = 1 << 20, 50_000
		spent := 0
		b := Builder{Budget: NewBudget(bound, func() { spent++ })}
		for i := range many {
			add(&b, i)
		}
		s := b.snap
		kept := len(s.Objects) + len(s.Pods) + len(s.Slices) + len(s.Hosts) + len(s.Coverage)
		if spent != 1 || kept == 0 || kept > bound/64 {
			t.Errorf("%s: told %d times, %d kept", name, spent, kept)
		}
		var free Builder
		for i := range many {
			add(&free, i)
		}
		s = free.snap
		if n := len(s.Objects) + len(s.Pods) + len(s.Slices) + len(s.Hosts) + len(s.Coverage); n != many {
			t.Errorf("%s: %d kept without a bound, want %d", name, n, many)
		}
	}
}

// TestWeigh: what an entry holds counts, and not only that it is there.
func TestWeigh(t *testing.T) {
	for name, grow := range map[string]func(*dataplane.Host){
		"texts":   func(h *dataplane.Host) { h.Name += string(make([]byte, 1000)) },
		"entries": func(h *dataplane.Host) { h.Links = append(h.Links, make([]dataplane.Link, 100)...) },
		"inside":  func(h *dataplane.Host) { h.Sets = []dataplane.Set{{Members: []string{string(make([]byte, 1000))}}} },
		"maps":    func(h *dataplane.Host) { h.Sysctls = map[string]string{"a": string(make([]byte, 1000))} },
	} {
		before, after := NewBudget(1<<30, nil), NewBudget(1<<30, nil)
		h := dataplane.Host{Name: "a"}
		(&Builder{Budget: before}).AddHost(h)
		grow(&h)
		(&Builder{Budget: after}).AddHost(h)
		if more := before.left.Load() - after.left.Load(); more < 1000 {
			t.Errorf("%s: %d bytes more, want at least 1000", name, more)
		}
	}
}
