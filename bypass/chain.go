// SPDX-License-Identifier: Apache-2.0

package bypass

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"whohas/dataplane"
)

// chain is the rules of one family, in the order in which the kernel asks them, and
// the changes that led to them.
type chain struct {
	host    *dataplane.Host
	family  int
	rules   []dataplane.Rule
	wanted  []netip.Addr
	changes []Change
}

func newChain(h *dataplane.Host, family int) *chain {
	c := &chain{host: h, family: family}
	for _, r := range h.Rules {
		if r.Family == family {
			c.rules = append(c.rules, r)
		}
	}
	return c
}

// bare reports whether a rule asks nothing of a packet but where it goes.
func bare(r dataplane.Rule) bool {
	return !r.Not && !r.From.IsValid() && r.In == "" && r.Out == "" && r.Mark == 0 && r.Mask == 0 && r.Other == ""
}

// forAll reports whether a rule is asked for every packet.
func forAll(r dataplane.Rule) bool { return bare(r) && (!r.To.IsValid() || r.To.Bits() == 0) }

func isLocal(r dataplane.Rule) bool {
	return forAll(r) && r.Type == "" && r.Goto == 0 && r.Table == dataplane.TableLocal && r.Suppress == 0
}

func isNop(r dataplane.Rule) bool { return forAll(r) && r.Type == "nop" }

// local gives the preference of the local table's rule.
func (c *chain) local() (int, error) {
	i := slices.IndexFunc(c.rules, isLocal)
	if i < 0 {
		return 0, errors.New("no rule looks up the local table")
	}
	for _, r := range c.rules[i:] {
		if isLocal(r) && r.Priority != c.rules[i].Priority {
			return 0, fmt.Errorf("two rules look up the local table, at %d and %d", c.rules[i].Priority, r.Priority)
		}
	}
	return c.rules[i].Priority, nil
}

// before is the preference of a goto that stands directly before the local table's
// rule.
func before(local int) int { return max(0, local-1) }

// isOurs reports whether a rule has the form of a bypass, and its purpose: also of one
// that was put when the local table's rule had another place, and leads nowhere now.
func (c *chain) isOurs(r dataplane.Rule) (Purpose, bool) {
	if !bare(r) || !r.To.IsValid() || !r.To.IsSingleIP() || r.Protocol != "" || r.Goto == 0 {
		return 0, false
	}
	local, err := c.local()
	for _, p := range []Purpose{Repair, Shield} {
		if err == nil && r.Goto == local+int(p) && r.Priority == before(local) {
			return p, true
		}
	}
	for _, p := range []Purpose{Shield, Repair} { // at preference 0 a goto 2 is a shield's
		if at := r.Goto - int(p); at >= 0 && r.Priority == before(at) {
			return p, true
		}
	}
	return 0, false
}

func (c *chain) bypasses() []Bypass {
	var out []Bypass
	for _, r := range c.rules {
		if purpose, ok := c.isOurs(r); ok {
			ip := r.To.Addr()
			d := c.decides(ip)
			out = append(out, Bypass{IP: ip, Purpose: purpose, InForce: d.over, Rule: r})
		}
	}
	return out
}

// has reports whether an address is passed over for a purpose.
func (c *chain) has(purpose Purpose, ip netip.Addr) bool {
	return slices.ContainsFunc(c.bypasses(), func(b Bypass) bool { return b.IP == ip && b.Purpose == purpose && b.InForce })
}

// put plans the bypasses of what is wanted.
func (c *chain) put(purpose Purpose) error {
	local, err := c.local()
	if err != nil {
		return err
	}
	end := local + int(purpose)
	missing := c.missing(local, end)
	if len(missing) > 0 {
		if err := c.room(local, purpose); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(c.rules, func(r dataplane.Rule) bool { return isNop(r) && r.Priority == end }) {
		c.add(dataplane.Rule{Family: c.family, Priority: end, Type: "nop"})
	}
	for _, b := range c.bypasses() { // what led over a rule that has been moved since
		if slices.Contains(c.wanted, b.IP) && b.Purpose == purpose && b.Rule.Goto != end {
			c.take(b.Rule)
		}
	}
	for _, r := range missing {
		if !slices.Contains(c.rules, r) {
			c.add(r)
		}
	}
	c.lastLocal()
	return nil
}

// missing are the gotos of what is wanted that do not stand before the local table's
// rule. Where none is missing but a nop, what others have put since is in nobody's way.
func (c *chain) missing(local, end int) []dataplane.Rule {
	stand := c.rules[:slices.IndexFunc(c.rules, isLocal)]
	var out []dataplane.Rule
	for _, ip := range c.wanted {
		r := dataplane.Rule{Family: c.family, Priority: before(local), To: netip.PrefixFrom(ip, ip.BitLen()), Goto: end}
		if !slices.Contains(stand, r) {
			out = append(out, r)
		}
	}
	return out
}

// room says why a bypass would pass over a rule of others, or none could stand
// before the local table's.
func (c *chain) room(local int, purpose Purpose) error {
	for _, r := range c.rules {
		_, ours := c.isOurs(r)
		switch {
		case ours || isLocal(r) || isNop(r):
		case r.Priority == local:
			return fmt.Errorf("another rule has the preference %d of the local table's", local)
		case r.Priority > local && r.Priority < local+int(purpose):
			return fmt.Errorf("another rule has the preference %d, directly behind the local table's", r.Priority)
		}
	}
	return nil
}

// Protocols that a rule of the local table has for the moment in which there are two:
// ip adds none that is there already, and these make it another (linux
// net/core/fib_rules.c rule_exists compares the protocol).
const (
	moment      = "boot"
	otherMoment = "static"
)

// lastLocal brings the local table's rule behind the gotos of its own preference: it
// is put once more, and the first is taken.
func (c *chain) lastLocal() {
	first, last := slices.IndexFunc(c.rules, isLocal), -1
	for i, r := range c.rules {
		if _, ok := c.isOurs(r); ok {
			last = i
		}
	}
	if first < last && !slices.ContainsFunc(c.rules[last:], isLocal) {
		again := c.rules[first]
		if again.Protocol = moment; c.rules[first].Protocol == moment {
			again.Protocol = otherMoment
		}
		c.add(again)
	}
	c.tidy()
}

// tidy leaves one rule of the local table, the last, as the kernel's: systemd-networkd
// removes rules of others when it starts again (systemd
// src/network/networkd-routing-policy-rule.c). Nops that nothing leads to go.
func (c *chain) tidy() {
	if !slices.ContainsFunc(c.rules, isLocal) {
		return
	}
	for {
		first := slices.IndexFunc(c.rules, isLocal)
		if !slices.ContainsFunc(c.rules[first+1:], func(r dataplane.Rule) bool { return isLocal(r) && r.Priority == c.rules[first].Priority }) {
			break
		}
		c.take(c.rules[first])
	}
	i := slices.IndexFunc(c.rules, isLocal)
	if r := c.rules[i]; r.Priority == 0 && (r.Protocol == moment || r.Protocol == otherMoment) {
		kernels := r
		kernels.Protocol = ""
		c.add(kernels)
		c.take(r)
	}
	c.takeNops()
}

// takeNops goes by the first place of the local table's rule: whoever moved it, by linux
// Documentation/networking/vrf.rst, removed a goto of ours instead, and it has two.
func (c *chain) takeNops() {
	local := c.rules[slices.IndexFunc(c.rules, isLocal)].Priority
	for _, r := range slices.Clone(c.rules) {
		ours := isNop(r) && r.Protocol == "" && (slices.Contains([]int{local + int(Repair), local + int(Shield)}, r.Priority) || r.Priority <= int(Shield))
		if ours && !slices.ContainsFunc(c.rules, func(g dataplane.Rule) bool { return g.Goto == r.Priority }) {
			c.take(r)
		}
	}
}

// add puts a rule where the kernel does: behind those of its preference.
func (c *chain) add(r dataplane.Rule) {
	c.changes = append(c.changes, Change{Rule: r})
	c.rules = put(c.rules, r)
}

func put(rules []dataplane.Rule, r dataplane.Rule) []dataplane.Rule {
	i := slices.IndexFunc(rules, func(o dataplane.Rule) bool { return o.Priority > r.Priority })
	if i < 0 {
		i = len(rules)
	}
	return slices.Insert(slices.Clone(rules), i, r)
}

// take takes the first rule that is equal.
func (c *chain) take(r dataplane.Rule) {
	if i := slices.Index(c.rules, r); i >= 0 {
		c.changes = append(c.changes, Change{Take: true, Rule: r})
		c.rules = slices.Delete(slices.Clone(c.rules), i, i+1)
	}
}
