// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"whohas/bypass"
	"whohas/bypass/rtnetlink"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/source/monitor"
)

// room is for the announcements of 15,000 addresses (package heal).
const room = 16 << 20

// Run keeps the shield until the context ends, whose error it returns, or until it is
// seen that it may not: what wraps os.ErrPermission. The rules stand after it. It works
// in the network namespace of the calling thread.
func Run(ctx context.Context, o Options) error {
	conn, err := rtnetlink.Open()
	if err != nil {
		return fmt.Errorf("shield: %w", err)
	}
	defer conn.Close()
	news, err := monitor.Open(room)
	if err != nil {
		return fmt.Errorf("shield: %w", err)
	}
	defer news.Close()
	w := &watcher{Options: o, conn: conn, news: news, own: map[netip.Addr]bool{}}
	for ctx.Err() == nil {
		switch err := w.look(ctx); {
		case errors.Is(err, os.ErrPermission): // which does not come with time
			return fmt.Errorf("shield: %w", err)
		case err != nil && ctx.Err() == nil:
			w.fail(err)
		}
		w.wait(ctx)
	}
	return ctx.Err()
}

type watcher struct {
	Options
	conn    *rtnetlink.Conn
	news    *monitor.Monitor
	own     map[netip.Addr]bool
	failing string
}

// look brings the rules to what they should be.
func (w *watcher) look(ctx context.Context) error {
	h, err := w.conn.Read(ctx)
	if err != nil {
		return err
	}
	var keep, gone []netip.Addr
	came := false
	for _, ip := range w.Addresses {
		own := has(h, ip)
		switch {
		case own && !w.own[ip]:
			came = true
			w.tell(ip, "it is this host's own now: its rule goes")
		case !own && w.own[ip]:
			w.tell(ip, "it is this host's own no more")
		}
		if w.own[ip] = own; own {
			gone = append(gone, ip)
		} else {
			keep = append(keep, ip)
		}
	}
	if came || slices.ContainsFunc(bypass.Of(h), func(b bypass.Bypass) bool { return slices.Contains(gone, b.IP) }) {
		if _, err := w.conn.Take(ctx, bypass.Shield, gone...); err != nil {
			return err
		}
	}
	changes, err := w.conn.Put(ctx, bypass.Shield, keep...)
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		for _, ip := range keep {
			w.tell(ip, "the shield stands")
		}
	}
	w.failing = ""
	return nil
}

// has reports whether a host has an address on a device that is no service device.
func has(h *dataplane.Host, ip netip.Addr) bool {
	return slices.ContainsFunc(h.Addresses, func(a dataplane.Address) bool {
		return !kubeproxy.IsDevice(a.Link) && a.Prefix.Addr().WithZone("") == ip
	})
}

// wait waits for something to have changed. When an address comes its rule goes at once,
// before anything is read: with it the host does not reach itself.
func (w *watcher) wait(ctx context.Context) {
	const step = 50 * time.Millisecond // how late the end of the context may be seen
	for until := time.Now().Add(cmp.Or(w.second, time.Second)); ctx.Err() == nil && time.Now().Before(until); {
		if err := w.news.Wait(min(step, time.Until(until))); err != nil {
			w.fail(err)
			time.Sleep(step)
		}
		changes, err := w.news.Changes()
		for _, c := range changes {
			if ip := c.Prefix.Addr(); c.Of == monitor.Address && !c.Gone && slices.Contains(w.Addresses, ip) && w.onCard(c.Index) {
				if err := w.conn.Drop(ip); err != nil {
					w.fail(err)
				}
			}
		}
		if len(changes) > 0 || errors.Is(err, monitor.ErrMissed) {
			return
		}
	}
}

// onCard reports whether a device is none of a service proxy's. One that cannot be asked
// for is taken for one: the next look puts the rule again.
func (w *watcher) onCard(index int) bool {
	name, err := w.conn.Device(index)
	return err != nil || !kubeproxy.IsDevice(name)
}

func (w *watcher) tell(ip netip.Addr, text string) {
	if w.Tell != nil {
		w.Tell(Event{At: time.Now(), IP: ip, Text: text})
	}
}

// fail tells what does not work, once.
func (w *watcher) fail(err error) {
	if text := err.Error(); text != w.failing {
		w.failing = text
		w.tell(netip.Addr{}, text)
	}
}
