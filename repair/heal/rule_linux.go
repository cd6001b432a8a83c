// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"whohas/bypass"
)

// byRule puts the routing rules, of all targets at once: a node that gets back one of
// two lost addresses may still not reach the apiserver. Where they do not do it, and
// nobody asked for them alone, the addresses are held off.
func (h *Healing) byRule(ctx context.Context) error {
	if h.keeper.rules == nil {
		return nil
	}
	if h.options.DryRun {
		return h.wouldRule(ctx)
	}
	ips := h.ruled()
	if len(ips) == 0 {
		return nil
	}
	changes, err := h.keeper.rules.Put(ctx, bypass.Repair, ips...)
	switch {
	case err == nil:
		h.passed(ips, changes)
		return nil
	case h.options.By == ByRule, errors.Is(err, os.ErrPermission), ctx.Err() != nil:
		return err
	}
	h.say(Failed, "no routing rule does it here: %v; holding off instead", err)
	h.keeper.rules.Close()
	h.keeper.rules = nil
	h.keeper.dirty = true
	return h.keeper.act()
}

func (h *Healing) wouldRule(ctx context.Context) error {
	host, err := h.keeper.rules.Read(ctx)
	if err != nil {
		return err
	}
	changes, err := bypass.Put(host, bypass.Repair, h.ruled()...)
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		h.say(WouldAct, "would put routing rules: %s", bypass.Lines(changes))
	}
	return nil
}

// ruled are the targets that are not left alone.
func (h *Healing) ruled() []netip.Addr {
	var out []netip.Addr
	for i, t := range h.targets {
		if ip := t.Prefix.Addr(); !h.keeper.leftAlone(i) && !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	return out
}

// passed says what was put, and verifies what the kernel makes of it.
func (h *Healing) passed(ips []netip.Addr, changes []bypass.Change) {
	for i, t := range h.targets {
		if slices.Contains(ips, t.Prefix.Addr()) {
			h.state.with(func(j *stopCondition) { j.passes(i, true) })
		}
	}
	for _, ip := range ips {
		text := fmt.Sprintf("passing over the local table for %s by a routing rule", ip)
		if w, err := h.keeper.rules.Way(ip); err == nil {
			text += fmt.Sprintf(": what is sent to it leaves by %s", w.Link)
		}
		if ok, err := h.keeper.rules.Accepts(ip); err == nil && ok {
			text += ", and what comes from it is accepted"
		} else if err == nil {
			text += "; what comes from it is still dropped, by the reverse-path filter (rp_filter)"
		}
		if len(changes) == 0 {
			text += " (the rule stood before)"
		}
		h.events.say(Event{At: time.Now(), Kind: Ruled, Text: text, Prefix: netip.PrefixFrom(ip, ip.BitLen())})
	}
}

// routesEvery is between two looks whether IPv6's routes stand: they go with their card.
const routesEvery = 5 * time.Second

// lookAtRules puts the rules again where somebody has removed them.
func (h *Healing) lookAtRules(ctx context.Context) {
	ips := h.ruled()
	if h.keeper.rules == nil || len(ips) == 0 {
		return
	}
	six := slices.ContainsFunc(ips, netip.Addr.Is6) && h.due("rules", routesEvery)
	if !h.keeper.ruled.Swap(false) && !six {
		return
	}
	changes, err := h.keeper.rules.Put(ctx, bypass.Repair, ips...)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		h.keeper.ruled.Store(true) // and try again
		h.say(Failed, "put the routing rules again: %v", err)
	case len(changes) > 0:
		h.say(Ruled, "somebody has removed the routing rules: put again")
	}
}

// lookAtRoutes asks what waits for the address to go, rule or not: routes through it are
// refused while the kernel has it in its local table (linux net/ipv4/fib_semantics.c
// fib_check_nh_nongw; lab cure-by-rule-1.36).
func (h *Healing) lookAtRoutes(ctx context.Context) {
	if h.keeper.rules == nil || h.options.Waits == nil || !h.due("routes", h.second) {
		return
	}
	waits := h.options.Waits(ctx)
	h.keeper.off.Store(len(waits) > 0)
	if text := strings.Join(waits, ", "); text != h.waits && ctx.Err() == nil {
		h.waits = text
		if text != "" {
			h.say(Waiting, "taking the address off as well, until it is back: %s", text)
		}
	}
}

// takeBack takes back what a repair has put, also an earlier one; a shield's stand.
func (h *Healing) takeBack(ctx context.Context) error {
	if h.keeper.rules == nil {
		return nil
	}
	ips := make([]netip.Addr, len(h.targets))
	for i, t := range h.targets {
		ips[i] = t.Prefix.Addr()
	}
	changes, err := h.keeper.rules.Take(context.WithoutCancel(ctx), bypass.Repair, ips...)
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		h.say(Unruled, "took the routing rules back")
	}
	return nil
}
