// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"slices"
	"strings"

	"whohas/dataplane"
)

// iptablesBases are the chains of nat that rewrite destinations.
func iptablesBases(t *dataplane.Table) []base {
	var out []base
	for _, c := range t.Chains {
		if c.Name == "PREROUTING" || c.Name == "OUTPUT" {
			out = append(out, base{c.Name, c.Name})
		}
	}
	return out
}

func iptablesBranches(t *dataplane.Table) map[string][]branch {
	out := make(map[string][]branch, len(t.Chains))
	for _, c := range t.Chains {
		out[c.Name] = nil
	}
	for _, c := range t.Chains {
		for _, text := range c.Rules {
			r, err := ParseRule(text)
			if err != nil {
				continue // says nothing of which a destination could be read
			}
			_, jump := out[r.Target.Name]
			nat := !jump && (r.Target.Name == "DNAT" || r.Target.Name == "REDIRECT")
			if jump || nat {
				out[c.Name] = append(out[c.Name], iptablesBranch(r, text, nat))
			}
		}
	}
	return out
}

func iptablesBranch(r Rule, text string, nat bool) branch {
	b := branch{nat: nat, target: r.Target.Name, rule: text}
	d := dest{}
	ports := []PortRange{{}}
	for _, m := range r.Matches {
		switch {
		case m.Kind == Comment:
			if strings.HasPrefix(b.target, "KUBE-") {
				b.service = serviceOfComment(m.Values[0])
			}
		case m.Kind == Other && m.Known: // asks nothing
		case !m.Known || m.Not:
			b.when = append(b.when, Rule{Matches: []Match{m}}.String())
		case m.Kind == Destination && m.Prefix.Bits() > 0:
			d.to = m.Prefix
		case m.Kind == Proto:
			d.proto = m.Protocol
		case m.Kind == DestinationPort && len(m.Ports) > 0:
			ports = m.Ports
		case m.Kind != Destination:
			b.when = append(b.when, Rule{Matches: []Match{m}}.String())
		}
	}
	for _, p := range ports {
		if p == (PortRange{0, 65535}) {
			p = anyPort
		}
		d.ports = p
		if !slices.Contains(b.dests, d) {
			b.dests = append(b.dests, d)
		}
	}
	return b
}
