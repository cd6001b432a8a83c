// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"net/netip"
	"slices"
	"strings"
)

// Topology is the hosts of a scenario and the wires between them.
type Topology struct {
	Segments []Segment
	Hosts    []Host
	Pods     []Pod
	Sysctls  []Sysctl
}

// Segment is an Ethernet: a bridge that all its hosts are plugged into.
type Segment struct {
	Name   string
	Prefix netip.Prefix
}

// Host is a machine: a network namespace with a card on each of its segments.
type Host struct {
	Name    string
	Cards   []Card
	Gateway netip.Addr
	Pods    netip.Prefix // the range of its Pods; invalid: it has none
}

// Card is a network card: eth0, eth1, in the order in which they are named.
type Card struct {
	Segment string
	Address netip.Prefix // invalid: the card is up and has no address
	Also    []netip.Prefix
}

// Pod is a network namespace behind a host's bridge for Pods. It answers on
// every port that the scenario has it serve with its own name.
type Pod struct {
	Name    string
	Host    string
	Address netip.Addr
}

// Sysctl is a setting of one host, or of all.
type Sysctl struct {
	Host        string // empty: every host
	Name, Value string
}

// Address is the host's first address; invalid if it has none.
func (h Host) Address() netip.Addr {
	for _, c := range h.Cards {
		if c.Address.IsValid() {
			return c.Address.Addr()
		}
	}
	return netip.Addr{}
}

// Host finds a host by its name.
func (t Topology) Host(name string) (Host, bool) {
	i := slices.IndexFunc(t.Hosts, func(h Host) bool { return h.Name == name })
	if i < 0 {
		return Host{}, false
	}
	return t.Hosts[i], true
}

// Has tells whether a host or a Pod has that name.
func (t Topology) Has(name string) bool {
	_, ok := t.Host(name)
	return ok || slices.ContainsFunc(t.Pods, func(p Pod) bool { return p.Name == name })
}

func (p *parser) topology(t *Topology, text string) {
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		at := p.lines["topology"] + i
		switch words[0] {
		case "segment":
			p.segment(t, at, words[1:])
		case "host":
			p.host(t, at, words[1:])
		case "pod":
			p.pod(t, at, words[1:])
		case "set":
			p.sysctl(t, at, words[1:])
		default:
			p.fail(at, "%s: want segment, host, pod or set", words[0])
		}
	}
}

func (p *parser) segment(t *Topology, line int, words []string) {
	if len(words) != 2 {
		p.fail(line, "want segment NAME PREFIX")
		return
	}
	prefix, err := netip.ParsePrefix(words[1])
	if err != nil {
		p.fail(line, "segment %s: %v", words[0], err)
	}
	t.Segments = append(t.Segments, Segment{Name: words[0], Prefix: prefix})
}

// host reads "host NAME (SEGMENT ADDRESS [also ADDRESS])... [gateway ADDRESS] [pods PREFIX]".
// An address without a length has its segment's; "-" is a card without one.
func (p *parser) host(t *Topology, line int, words []string) {
	if len(words) < 3 || len(words)%2 == 0 {
		p.fail(line, "want host NAME SEGMENT ADDRESS [gateway ADDRESS] [pods PREFIX]")
		return
	}
	h := Host{Name: words[0]}
	for pair := range slices.Chunk(words[1:], 2) {
		var err error
		switch pair[0] {
		case "gateway":
			h.Gateway, err = netip.ParseAddr(pair[1])
		case "pods":
			h.Pods, err = netip.ParsePrefix(pair[1])
		case "also":
			var also netip.Prefix
			if also, err = netip.ParsePrefix(pair[1]); len(h.Cards) > 0 {
				last := &h.Cards[len(h.Cards)-1]
				last.Also = append(last.Also, also)
			}
		default:
			h.Cards = append(h.Cards, p.card(t, line, pair[0], pair[1]))
		}
		if err != nil {
			p.fail(line, "host %s: %s: %v", h.Name, pair[0], err)
		}
	}
	if t.Has(h.Name) {
		p.fail(line, "host %s: stands twice", h.Name)
	}
	t.Hosts = append(t.Hosts, h)
}

func (p *parser) card(t *Topology, line int, segment, address string) Card {
	i := slices.IndexFunc(t.Segments, func(s Segment) bool { return s.Name == segment })
	if i < 0 {
		p.fail(line, "no segment %s: name it before its hosts", segment)
		return Card{}
	}
	c := Card{Segment: segment}
	if address == "-" {
		return c
	}
	if addr, err := netip.ParseAddr(address); err == nil {
		c.Address = netip.PrefixFrom(addr, t.Segments[i].Prefix.Bits())
		return c
	}
	prefix, err := netip.ParsePrefix(address)
	if err != nil {
		p.fail(line, "address %s: %v", address, err)
	}
	c.Address = prefix
	return c
}

// pod reads "pod NAME on HOST ADDRESS".
func (p *parser) pod(t *Topology, line int, words []string) {
	if len(words) != 4 || words[1] != "on" {
		p.fail(line, "want pod NAME on HOST ADDRESS")
		return
	}
	addr, err := netip.ParseAddr(words[3])
	if err != nil {
		p.fail(line, "pod %s: %v", words[0], err)
		return
	}
	h, ok := t.Host(words[2])
	switch {
	case !ok:
		p.fail(line, "pod %s: no host %s", words[0], words[2])
	case !h.Pods.Contains(addr):
		p.fail(line, "pod %s: %s is not in the Pod range of %s (%s)", words[0], addr, h.Name, h.Pods)
	}
	t.Pods = append(t.Pods, Pod{Name: words[0], Host: words[2], Address: addr})
}

// sysctl reads "set [HOST] NAME=VALUE".
func (p *parser) sysctl(t *Topology, line int, words []string) {
	var s Sysctl
	if len(words) == 2 {
		s.Host, words = words[0], words[1:]
	}
	if len(words) != 1 {
		p.fail(line, "want set [HOST] NAME=VALUE")
		return
	}
	name, value, ok := strings.Cut(words[0], "=")
	if !ok {
		p.fail(line, "set %s: want NAME=VALUE", words[0])
	}
	s.Name, s.Value = name, value
	t.Sysctls = append(t.Sysctls, s)
}
