// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"whohas/dataplane"
)

// Ask asks for all targets at once and gives who answered, sorted by address and
// link, each target once. It takes two probes 200 ms apart, and a second from the
// last; the context may cut it short.
//
// Beside the replies it returns the joined errors, each a *TargetError, of the
// targets of which nothing can be said: there is no such link, or it is not
// Ethernet, down, without carrier, or part of a bridge or bond; no probe could be
// sent; or there was no answer, and it was not listened for to the end. So an AddressReply
// without MACs is silence for the whole time. Of more than Most targets none is
// asked.
//
// MACs are those that the answers themselves name, at most 32 for a target, without
// those of the link and its members. Other devices of this host on the same wire do
// count: they are stations like others there.
//
// What this host's neighbour tables know of the targets stays as it is.
//
// It works in the network namespace of the calling thread, so a caller that is not
// in the process's own has locked its goroutine to the thread. It needs
// CAP_NET_RAW. Several calls at once are fine, but hear each other's answers.
func Ask(ctx context.Context, targets []Target) ([]dataplane.AddressReply, error) {
	if len(targets) > Most {
		return nil, fmt.Errorf("ask: %d targets are more than %d", len(targets), Most)
	}
	targets, failed := tidy(targets)
	if len(targets) == 0 {
		return nil, join(failed)
	}
	links, err := readLinks()
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	wires, more := open(targets, links)
	failed = append(failed, more...)
	memory, stop := remember(wires), make(chan struct{})
	defer memory.close()
	var all, keeping sync.WaitGroup
	keeping.Go(func() { memory.keep(wires, stop) })
	for _, w := range wires {
		all.Go(func() { w.ask(ctx) })
	}
	all.Wait()
	close(stop)
	keeping.Wait()
	var out []dataplane.AddressReply
	for _, w := range wires {
		echoes, silent := w.result()
		out, failed = append(out, echoes...), append(failed, silent...)
	}
	slices.SortFunc(out, func(a, b dataplane.AddressReply) int { return cmp.Or(a.IP.Compare(b.IP), cmp.Compare(a.Link, b.Link)) })
	return out, join(failed)
}

// open makes a wire for each link and family among the targets.
func open(targets []Target, links map[string]link) ([]*wire, []*TargetError) {
	type key struct {
		link string
		six  bool
	}
	var wires []*wire
	var failed []*TargetError
	by := map[key][]netip.Addr{}
	for _, t := range targets {
		k := key{t.Link, t.IP.Is6()}
		by[k] = append(by[k], t.IP)
	}
	for k, ips := range by {
		w, err := newWire(k.link, ips, links)
		if err == nil {
			wires = append(wires, w)
			continue
		}
		for _, ip := range ips {
			failed = append(failed, &TargetError{Target{k.link, ip}, err})
		}
	}
	return wires, failed
}

func newWire(name string, ips []netip.Addr, links map[string]link) (*wire, error) {
	l, ok := links[name]
	if !ok {
		return nil, errors.New("there is no such link")
	}
	if err := l.usable(); err != nil {
		return nil, err
	}
	w := &wire{link: l, own: ownMACs(l, links), ips: ips,
		sent: map[netip.Addr]int{}, failed: map[netip.Addr]error{}, heard: map[netip.Addr]map[mac]bool{}}
	for _, ip := range ips {
		w.heard[ip] = map[mac]bool{}
	}
	return w, w.open()
}

// result is what the wire can say of each address.
func (w *wire) result() (echoes []dataplane.AddressReply, failed []*TargetError) {
	for _, ip := range w.ips {
		err := w.failed[ip]
		if w.sent[ip] > 0 {
			err = w.deaf
		}
		switch {
		case w.sent[ip] == 0:
			err = fmt.Errorf("no probe was sent: %w", cmp.Or(err, w.deaf))
		case len(w.heard[ip]) > 0:
			err = nil
		case err != nil:
			err = fmt.Errorf("no answer before it was cut short: %w", err)
		}
		if err != nil {
			failed = append(failed, &TargetError{Target{w.link.name, ip}, err})
			continue
		}
		echoes = append(echoes, dataplane.AddressReply{IP: ip, Link: w.link.name, Sent: w.sent[ip], MACs: texts(w.heard[ip])})
	}
	return echoes, failed
}
