// SPDX-License-Identifier: Apache-2.0

package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"whohas/bypass"
	"whohas/claim"
	"whohas/claimants"
	"whohas/dataplane"
	"whohas/explain"
)

// links looks at the cards that hold the host's own addresses or its default route.
func links(x *examination) []Check {
	const name = "links"
	if c, ok := x.notRead(name, "links", "addresses"); ok {
		return []Check{c}
	}
	var checks []Check
	good := 0
	for _, link := range x.host.Links {
		if !x.inUse(link) {
			continue
		}
		switch {
		case !link.Up:
			checks = append(checks, Check{Name: name, Outcome: Problem, Text: link.Name + " is down", Evidence: []string{"set so by the administrator"}, weight: linkDown})
		case !link.Carrier:
			checks = append(checks, Check{Name: name, Outcome: Problem, Text: link.Name + " has no carrier", Evidence: []string{"cable, switch port or host of the virtual machine"}, weight: linkDown})
		default:
			good++
		}
	}
	if len(checks) > 0 {
		return checks
	}
	return []Check{{Name: name, Outcome: OK, Text: fmt.Sprintf("%s up, with carrier", plural(good, "card", "cards"))}}
}

// inUse tells the cards by which the host is on a network.
func (x *examination) inUse(link dataplane.Link) bool {
	card := slices.Contains([]string{"", "bond", "team", "vlan", "bridge"}, link.Kind) || link.Kind == "veth" && link.Master == ""
	plugin := slices.ContainsFunc([]string{"cni", "docker", "cali", "br-", "virbr", "podman"}, func(p string) bool { return strings.HasPrefix(link.Name, p) })
	return card && !plugin && link.Name != "lo" && slices.ContainsFunc(x.host.Addresses, func(a dataplane.Address) bool {
		return a.Link == link.Name && !a.Prefix.IsSingleIP() && !a.Prefix.Addr().IsLinkLocalUnicast()
	})
}

// routes looks at the default route and at what the local table takes.
func routes(x *examination) []Check {
	const name = "routes"
	if c, ok := x.notRead(name, "routes"); ok && len(x.held) == 0 {
		return []Check{c}
	}
	var odd []string
	for _, p := range x.host.Rules {
		if p.Priority == 0 && p.Goto == 0 && (p.Table != dataplane.TableLocal || p.Not || p.From.IsValid() || p.Mark != 0) {
			odd = append(odd, fmt.Sprintf("rule 0 is not the one of the local table (%d)", p.Table))
		}
	}
	i := slices.IndexFunc(x.host.Routes, func(r dataplane.Route) bool { // the default route
		return r.Table == dataplane.TableMain && r.Type == "unicast" && (!r.To.IsValid() || r.To.Bits() == 0)
	})
	odd = append(odd, x.passes()...)
	held := slices.DeleteFunc(slices.Clone(x.held), x.over)
	switch {
	case len(held) > 0:
		return []Check{{Name: name, Outcome: Problem, Text: fmt.Sprintf("the local table, which is asked before all others, has %s", join(held)), Evidence: append(odd, "linux net/ipv4/fib_rules.c: rule 0 looks up table local"), about: held[0]}}
	case i < 0:
		return []Check{{Name: name, Outcome: Problem, Text: "there is no default route: what is not on a subnet of this host is not reached", Evidence: odd, weight: noRoute}}
	}
	r := x.host.Routes[i]
	text := "default route on " + r.Link
	if r.Via.IsValid() {
		text = fmt.Sprintf("default route via %s on %s", r.Via, r.Link)
	}
	return []Check{{Name: name, Outcome: OK, Text: text, Evidence: odd}}
}

// over reports whether a routing rule leads past the local table for an address.
func (x *examination) over(ip netip.Addr) bool {
	_, ok := bypass.Over(x.host, ip)
	return ok
}

// passes says which routing rules lead past the local table, and for what they stand.
func (x *examination) passes() []string {
	var out []string
	for _, b := range bypass.Of(x.host) {
		text := fmt.Sprintf("%s is passed over by a routing rule, a %s's", b.IP, b.Purpose)
		if !b.InForce {
			text = fmt.Sprintf("a routing rule, a %s's, is to lead past the local table for %s, and does not: its target is gone, or no route leads there", b.Purpose, b.IP)
		}
		out = append(out, text)
	}
	return out
}

// lostNodes is the check whose problem is an answer of its own: a node that holds this
// host's address is silent to it, also on the wire with strictARP.
const lostNodes = "neighbours"

// neighbours looks for machines on the same wire that do not answer.
func neighbours(x *examination) []Check {
	const name = lostNodes
	if c, ok := x.notRead(name, "neighbours"); ok {
		return []Check{c}
	}
	var failed, nodes []string
	for _, n := range x.host.Neighbours {
		if n.State != "FAILED" && n.State != "INCOMPLETE" || n.Forward || !n.IP.IsValid() {
			continue
		}
		failed = append(failed, fmt.Sprintf("%s on %s: %s", n.IP, n.Link, n.State))
		if slices.ContainsFunc(x.owners(n.IP), isNodes) {
			nodes = append(nodes, n.IP.String())
		}
	}
	switch {
	case len(nodes) > 0:
		return []Check{{Name: name, Outcome: Problem, weight: weakSign, who: nodes,
			Text:     fmt.Sprintf("%s, of this cluster, %s not answer who has the address: down, on another wire, or holding one of this host's own addresses", explain.Names(nodes), does(nodes)),
			Evidence: append(failed[:min(len(failed), 4)], "linux net/ipv4/arp.c arp_process: a request from one of the receiver's own addresses is dropped")}}
	case len(failed) > 0:
		return []Check{{Name: name, Outcome: OK, Text: fmt.Sprintf("%s not there; no node is among them", plural(len(failed), "machine", "machines")), Evidence: failed[:min(len(failed), 4)]}}
	}
	return []Check{{Name: name, Outcome: OK, Text: "none that was asked for is missing"}}
}

// isNodes tells evidence that an address is a node's.
func isNodes(c claim.Claim) bool {
	switch c.Kind {
	case claimants.HostSession.Kind, claimants.KernelTunnelPeer.Kind, claimants.HostServer.Kind, claimants.HostEtcd.Kind:
		return true // a next hop may be a router
	}
	return c.Role == claim.Host
}

func join(ips []netip.Addr) string {
	out := make([]string, len(ips))
	for i, ip := range ips {
		out[i] = ip.String()
	}
	return explain.Names(out)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func does(names []string) string {
	if len(names) == 1 {
		return "does"
	}
	return "do"
}
