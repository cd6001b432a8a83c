// SPDX-License-Identifier: Apache-2.0

package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/snapshot"
)

// serviceAddresses looks at what the host holds for Services, and at the evidence
// whose each of these is. Without evidence the verdict on an address is unknown.
func serviceAddresses(x *examination) []Check {
	const name = "service addresses"
	if c, ok := x.notRead(name, "addresses"); ok && len(x.held) == 0 { // what is there is there
		return []Check{c}
	}
	held := map[string][]netip.Addr{}
	for _, a := range x.host.Addresses {
		if kubeproxy.IsDevice(a.Link) {
			held[a.Link] = append(held[a.Link], a.Prefix.Addr())
		}
	}
	var checks []Check
	for _, ip := range x.back {
		checks = append(checks, Check{Name: name, Outcome: Problem, Text: fmt.Sprintf("kube-proxy wants %s, which is another's, on "+kubeproxy.IPVSDevice+"; it is off now, and back at the next sync", ip), Evidence: x.whose(ip), about: ip})
	}
	if len(held) == 0 && len(checks) == 0 {
		return []Check{{Name: name, Outcome: OK, Text: "no service device holds an address"}}
	}
	for _, device := range []string{kubeproxy.RouterDevice, kubeproxy.IPVSDevice} {
		if list := held[device]; len(list) > 0 {
			checks = append(checks, x.onDevice(name, device, list)...)
		}
	}
	return checks
}

func (x *examination) onDevice(name, device string, list []netip.Addr) []Check {
	var checks []Check
	unknown := 0
	for _, ip := range list {
		switch {
		case slices.Contains(x.held, ip):
			text := fmt.Sprintf("%s holds %s, which is another's", device, ip)
			if x.over(ip) {
				text += "; a routing rule leads past it"
			}
			checks = append(checks, Check{Name: name, Outcome: Problem, Text: text, Evidence: x.whose(ip), about: ip})
		case !x.clusterIP(ip):
			unknown++
		}
	}
	c := Check{Name: name, Outcome: OK, Text: fmt.Sprintf("%s holds %s", device, plural(len(list), "address", "addresses"))}
	switch {
	case len(checks) > 0:
		return checks
	case unknown == 0:
		c.Text += ", all ClusterIPs"
	case x.worldKnown():
		c.Text += fmt.Sprintf("; %d are no ClusterIPs, and no Node has them", unknown)
	default:
		c.Outcome = Missing
		c.Text += fmt.Sprintf("; of %d that are no ClusterIPs nothing here says whose they are", unknown)
	}
	return []Check{c}
}

// worldKnown reports whether all Services and Nodes were read: then it is known whose
// an address is not.
func (x *examination) worldKnown() bool {
	return snapshot.Complete(x.Snapshot.Coverage, cluster.ServiceKind) && snapshot.Complete(x.Snapshot.Coverage, cluster.NodeKind)
}

// whose cites the evidence that an address belongs to another.
func (x *examination) whose(ip netip.Addr) []string {
	var out []string
	for _, c := range x.owners(ip) {
		switch {
		case c.Origin.Host != "":
			out = append(out, fmt.Sprintf("%s: %s in %s", c.Origin.Host, c.Range, c.Origin.Table))
		case c.Origin.File != "":
			out = append(out, fmt.Sprintf("%s %s (%s:%d)", c.By, c.Origin.Field, c.Origin.File, c.Origin.Line))
		default:
			out = append(out, fmt.Sprintf("%s %s", c.By, c.Origin.Field))
		}
	}
	return out[:min(len(out), 6)]
}

// clusterIP tells what kube-proxy has among its ClusterIPs.
func (x *examination) clusterIP(ip netip.Addr) bool {
	is, _ := claimants.IsClusterIP(x.host, ip)
	return is
}

// duplicates is duplicate address detection: does anybody else answer for what is
// this host's own?
func duplicates(x *examination) []Check {
	const name = "duplicate addresses"
	var checks []Check
	for _, a := range x.host.Addresses {
		if a.Failed {
			weight := strangerOnWire
			if a.Prefix.Addr().IsLinkLocalUnicast() {
				weight = byItself // another one is chosen
			}
			checks = append(checks, Check{Name: name, Outcome: Problem, weight: weight,
				Text: fmt.Sprintf("the kernel found another holder of %s when it put it on %s, and does not use it", a.Prefix.Addr(), a.Link), Evidence: []string{"flag dadfailed"}})
		}
	}
	for _, n := range x.logMatches("duplicate-address", "address-conflict") {
		checks = append(checks, Check{Name: name, Outcome: Problem, Text: "a log tells of one", Evidence: []string{n.Source + ": " + n.Last}, weight: weakSign})
	}
	asked := 0
	for _, e := range x.host.Replies {
		if !slices.Contains(x.mine, e.IP) {
			continue
		}
		asked++
		if others := x.foreign(e.MACs); len(others) > 0 {
			checks = append(checks, x.duplicate(name, e.IP, others))
		}
	}
	switch {
	case len(checks) > 0:
		return checks
	case asked == 0:
		return []Check{{Name: name, Outcome: Missing, Text: "nobody was asked on the wire"}}
	}
	return []Check{{Name: name, Outcome: OK, Text: fmt.Sprintf("nobody else answers for this host's own %s; nodes with strictARP would not, whatever they hold", plural(asked, "address", "addresses"))}}
}

// foreign leaves out this host's own cards: it may have two on one wire.
func (x *examination) foreign(macs []string) []string {
	return slices.DeleteFunc(slices.Clone(macs), func(mac string) bool {
		return slices.ContainsFunc(x.host.Links, func(d dataplane.Link) bool { return strings.EqualFold(d.MAC, mac) })
	})
}

func (x *examination) duplicate(name string, ip netip.Addr, macs []string) Check {
	c := Check{Name: name, Outcome: Problem, Text: fmt.Sprintf("%s answer for %s, which is this host's own", x.machines(macs), ip), Evidence: []string{"asked on the wire as RFC 5227 has it"}}
	if len(macs) == 1 {
		c.Text = fmt.Sprintf("%s answers for %s, which is this host's own", x.machines(macs), ip)
	}
	if !x.answeredByNode(ip) {
		c.weight = strangerOnWire
		c.Text += "; nothing here says that it is a node"
	}
	return c
}

// machines names who has some cards, as far as the wire and the neighbour table tell.
func (x *examination) machines(macs []string) string {
	names := make([]string, len(macs))
	for i, mac := range macs {
		names[i] = mac
		if ip, ok := x.knownBy(mac); ok {
			names[i] = fmt.Sprintf("%s (%s)", ip, mac)
		}
	}
	return explain.Names(names)
}

// knownBy is an address of which one machine alone has the card.
func (x *examination) knownBy(mac string) (netip.Addr, bool) {
	for _, e := range x.host.Replies {
		if len(e.MACs) == 1 && e.MACs[0] == mac && !slices.Contains(x.mine, e.IP) {
			return e.IP, true
		}
	}
	for _, n := range x.host.Neighbours {
		if n.MAC == mac && !n.Forward && n.IP.Is4() {
			return n.IP, true
		}
	}
	return netip.Addr{}, false
}

// answeredByNode reports whether one who answers for an address is a node by evidence:
// a Node's address, a BGP neighbour, a tunnel's far end.
func (x *examination) answeredByNode(ip netip.Addr) bool {
	for _, e := range x.host.Replies {
		if e.IP != ip {
			continue
		}
		for _, mac := range e.MACs {
			if at, ok := x.knownBy(mac); ok && slices.ContainsFunc(x.owners(at), isNodes) {
				return true
			}
		}
	}
	return false
}
