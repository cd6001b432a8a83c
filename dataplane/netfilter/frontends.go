// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"whohas/dataplane"
)

// Frontend is what the rules take from a host: traffic to these addresses gets
// another destination.
type Frontend struct {
	To      netip.Prefix // mostly one address
	Proto   string       // "TCP"; empty: every protocol
	Ports   PortRange    // zero: every port
	Hooks   []string     // where: "PREROUTING" is what arrives, "OUTPUT" what the host itself sends
	Backend string
	Family  string
	Table   string
	Chain   string   // where the rule stands that names the address
	Map     string   // of nftables: the map whose element does; its Chain is the one that asks the map
	Rule    string   // its text, or the element's
	When    []string // what else the rule asks, in its own words
	Service Service  // as far as names tell
}

// Service is the Service that kube-proxy made a rule for.
type Service struct {
	Namespace, Name, Port string
	Role                  string // "external IP", "cluster IP", "loadbalancer IP"; of nftables "external" or "service"; else empty
}

// IsZero tells that no Service is known.
func (s Service) IsZero() bool { return s == Service{} }

// Frontends lists what NAT takes: each rule or element of a map that names a
// destination address and ends in DNAT or REDIRECT, itself or through the chains
// that it jumps to. It walks from the base chains of nat, so that chains which
// nothing leads to take nothing.
//
// It says what may be taken, not what is: the conditions of that rule which are no
// address, protocol or port are in When, those of rules before and behind it are
// not weighed, nor is their order. A negated destination names no address, and
// neither does membership in an ipset.
func Frontends(tables []dataplane.Table) []Frontend {
	var out []Frontend
	for i := range tables {
		t := &tables[i]
		switch {
		case t.Backend == JSONBackend:
			out = append(out, walk(t, nftBranches(t), nftBases(t))...)
		case t.Name == "nat": // DNAT and REDIRECT work in no other (linux net/netfilter/xt_nat.c)
			out = append(out, walk(t, iptablesBranches(t), iptablesBases(t))...)
		}
	}
	slices.SortStableFunc(out, func(a, b Frontend) int {
		return cmp.Or(a.To.Addr().Compare(b.To.Addr()), a.To.Bits()-b.To.Bits(), strings.Compare(a.Proto, b.Proto),
			cmp.Compare(a.Ports.First, b.Ports.First), cmp.Compare(a.Ports.Last, b.Ports.Last))
	})
	return out
}

// base is a chain that a hook calls.
type base struct{ chain, hook string }

// branch is one way out of a rule: what must be so of the destination, and what
// then comes.
type branch struct {
	dests   []dest // any of them; never empty
	when    []string
	nat     bool   // the destination is rewritten
	target  string // the chain that comes next, if not
	rule    string
	inMap   string
	service Service
}

// dest is what is known of a packet's destination; zero fields: nothing.
type dest struct {
	to    netip.Prefix
	proto string
	ports PortRange
}

var anyPort PortRange

func (d dest) whole() bool { return d.to.IsValid() && d.proto != "" && d.ports != anyPort }

// and is what both say, or false where they cannot both be.
func (d dest) and(o dest) (dest, bool) {
	switch {
	case !d.to.IsValid():
		d.to = o.to
	case !o.to.IsValid():
	case !d.to.Overlaps(o.to):
		return dest{}, false
	case o.to.Bits() > d.to.Bits():
		d.to = o.to
	}
	if d.proto != "" && o.proto != "" && d.proto != o.proto {
		return dest{}, false
	}
	d.proto = cmp.Or(d.proto, o.proto)
	switch {
	case d.ports == anyPort:
		d.ports = o.ports
	case o.ports != anyPort:
		d.ports = PortRange{max(d.ports.First, o.ports.First), min(d.ports.Last, o.ports.Last)}
		if d.ports.First > d.ports.Last {
			return dest{}, false
		}
	}
	return d, true
}

type walker struct {
	table    *dataplane.Table
	branches map[string][]branch
	leads    map[string]bool // to NAT
	hook     string
	seen     map[visit]bool
	found    map[emission]int
	out      []Frontend
}

// emission is what tells two frontends of a table apart.
type emission struct {
	dest               dest
	chain, inMap, rule string
}

type visit struct {
	chain string
	dest  dest
}

func walk(t *dataplane.Table, branches map[string][]branch, bases []base) []Frontend {
	w := &walker{table: t, branches: branches, leads: leading(branches), found: map[emission]int{}}
	for _, b := range bases {
		w.hook, w.seen = b.hook, map[visit]bool{}
		w.chain(b.chain, dest{})
	}
	return w.out
}

// leading are the chains from which NAT can be reached.
func leading(branches map[string][]branch) map[string]bool {
	from := map[string][]string{}
	out := map[string]bool{}
	var todo []string
	for name, list := range branches {
		for _, b := range list {
			switch {
			case b.nat && !out[name]:
				out[name] = true
				todo = append(todo, name)
			case !b.nat:
				from[b.target] = append(from[b.target], name)
			}
		}
	}
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, caller := range from[name] {
			if !out[caller] {
				out[caller] = true
				todo = append(todo, caller)
			}
		}
	}
	return out
}

// chain visits a chain with what is known so far; the same again changes nothing,
// which ends loops.
func (w *walker) chain(name string, known dest) {
	v := visit{name, known}
	if w.seen[v] {
		return
	}
	w.seen[v] = true
	for _, b := range w.branches[name] {
		if !b.nat && !w.leads[b.target] {
			continue
		}
		for _, d := range b.dests {
			d, ok := known.and(d)
			switch {
			case !ok:
			case d.whole() || b.nat && d.to.IsValid():
				w.emit(name, b, d)
			case !b.nat:
				w.chain(b.target, d)
			}
		}
	}
}

func (w *walker) emit(chain string, b branch, d dest) {
	key := emission{d, chain, b.inMap, b.rule}
	i, ok := w.found[key]
	if !ok {
		i = len(w.out)
		w.found[key] = i
		w.out = append(w.out, Frontend{To: d.to, Proto: d.proto, Ports: d.ports, Backend: w.table.Backend, Family: w.table.Family,
			Table: w.table.Name, Chain: chain, Map: b.inMap, Rule: b.rule, When: b.when, Service: b.service})
	}
	if f := &w.out[i]; !slices.Contains(f.Hooks, w.hook) {
		f.Hooks = append(f.Hooks, w.hook)
		slices.Sort(f.Hooks)
	}
}
