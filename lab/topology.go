// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
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

// Has reports whether a host or a Pod has that name.
func (t Topology) Has(name string) bool {
	_, ok := t.Host(name)
	return ok || slices.ContainsFunc(t.Pods, func(p Pod) bool { return p.Name == name })
}

// topologyKeys are the lines of a topology.
var topologyKeys = map[string]form{
	"segment": {"segment NAME PREFIX", "an Ethernet"},
	"host":    {"host NAME (SEGMENT ADDRESS [also PREFIX])... [gateway ADDRESS] [pods PREFIX]", "a machine with a card on each segment: eth0, eth1; - is a card without an address"},
	"pod":     {"pod NAME on HOST ADDRESS", "a Pod behind the host's bridge"},
	"set":     {"set [HOST] NAME=VALUE", "a sysctl of one host or Pod, or of every host"},
}

func (p *parser) topology(t *Topology, text string) {
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		at := p.lines["topology"] + i
		f, ok := topologyKeys[words[0]]
		if !ok {
			p.fail(at, "%s: want segment, host, pod or set", words[0])
			return
		}
		if err := t.read(words[0], words[1:]); err != nil {
			p.fail(at, "%v: want %s", err, f.text)
		}
	}
}

// read reads one line.
func (t *Topology) read(key string, words []string) error {
	switch key {
	case "segment":
		return t.segment(words)
	case "host":
		return t.host(words)
	case "pod":
		return t.pod(words)
	}
	return t.sysctl(words)
}

func (t *Topology) findSegment(name string) (Segment, bool) {
	i := slices.IndexFunc(t.Segments, func(s Segment) bool { return s.Name == name })
	if i < 0 {
		return Segment{}, false
	}
	return t.Segments[i], true
}

// ofHost are the words of a host's line that are no segments.
var ofHost = []string{"gateway", "pods", "also"}

func (t *Topology) segment(words []string) error {
	if len(words) != 2 {
		return fmt.Errorf("%d words", len(words))
	}
	if err := place(words[0]); err != nil {
		return fmt.Errorf("segment %s: %w", words[0], err)
	}
	if _, twice := t.findSegment(words[0]); twice || slices.Contains(ofHost, words[0]) {
		return fmt.Errorf("segment %s: the name is taken", words[0])
	}
	prefix, err := prefix(words[1])
	if err != nil {
		return fmt.Errorf("segment %s: %s: %w", words[0], words[1], err)
	}
	t.Segments = append(t.Segments, Segment{Name: words[0], Prefix: prefix})
	return nil
}

// newName refuses what cannot be the name of another host or Pod: a step that
// begins with it must be read as a question.
func (t *Topology) newName(word string) error {
	if err := place(word); err != nil {
		return fmt.Errorf("%s: %w", word, err)
	}
	if _, verb := verbs[Verb(word)]; verb || word == cluster || t.Has(word) {
		return fmt.Errorf("%s: the name is taken", word)
	}
	return nil
}

// host reads what stands behind "host". An address without a length has its
// segment's; "-" is a card without one.
func (t *Topology) host(words []string) error {
	if len(words) < 3 || len(words)%2 == 0 {
		return fmt.Errorf("%d words", len(words))
	}
	if err := t.newName(words[0]); err != nil {
		return err
	}
	h := Host{Name: words[0]}
	for pair := range slices.Chunk(words[1:], 2) {
		if err := t.hostPair(&h, pair[0], pair[1]); err != nil {
			return fmt.Errorf("%s %s: %w", pair[0], pair[1], err)
		}
	}
	t.Hosts = append(t.Hosts, h)
	return nil
}

func (t *Topology) hostPair(h *Host, key, word string) (err error) {
	switch key {
	case "gateway":
		h.Gateway, err = address(word)
		return err
	case "pods":
		h.Pods, err = prefix(word)
		return err
	case "also":
		if len(h.Cards) == 0 {
			return errors.New("also comes behind a card")
		}
		also, err := prefix(word)
		last := &h.Cards[len(h.Cards)-1]
		last.Also = append(last.Also, also)
		return err
	}
	card, err := t.card(key, word)
	h.Cards = append(h.Cards, card)
	return err
}

func (t *Topology) card(segment, word string) (Card, error) {
	on, ok := t.findSegment(segment)
	if !ok {
		return Card{}, fmt.Errorf("no segment %s: name it before its hosts", segment)
	}
	c := Card{Segment: segment}
	if word == "-" {
		return c, nil
	}
	if addr, err := address(word); err == nil {
		c.Address = netip.PrefixFrom(addr, on.Prefix.Bits())
		return c, nil
	}
	with, err := prefix(word)
	if err != nil {
		return Card{}, errIPv4
	}
	c.Address = with
	return c, nil
}

// pod reads "NAME on HOST ADDRESS".
func (t *Topology) pod(words []string) error {
	if len(words) != 4 || words[1] != "on" {
		return fmt.Errorf("%d words", len(words))
	}
	if err := t.newName(words[0]); err != nil {
		return err
	}
	addr, err := address(words[3])
	if err != nil {
		return fmt.Errorf("%s: %w", words[3], err)
	}
	h, ok := t.Host(words[2])
	switch {
	case !ok:
		return fmt.Errorf("no host %s", words[2])
	case !h.Pods.IsValid():
		return fmt.Errorf("host %s has no range of Pods", h.Name)
	case !h.Pods.Contains(addr):
		return fmt.Errorf("%s is not in the Pod range of %s, %s", addr, h.Name, h.Pods)
	}
	t.Pods = append(t.Pods, Pod{Name: words[0], Host: words[2], Address: addr})
	return nil
}

// sysctl reads "[HOST] NAME=VALUE".
func (t *Topology) sysctl(words []string) error {
	var s Sysctl
	if len(words) == 2 {
		s.Host, words = words[0], words[1:]
		if !t.Has(s.Host) {
			return fmt.Errorf("no host or pod %s: name it before", s.Host)
		}
	}
	if len(words) != 1 {
		return fmt.Errorf("%d words", len(words))
	}
	var ok bool
	if s.Name, s.Value, ok = strings.Cut(words[0], "="); !ok || s.Name == "" || s.Value == "" {
		return fmt.Errorf("%s: no NAME=VALUE", words[0])
	}
	t.Sysctls = append(t.Sysctls, s)
	return nil
}
