// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/claimants"
	"whohas/command"
	"whohas/dataplane"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/theft"
)

// ForeignAnswer is the outage as the wire shows it.
var ForeignAnswer = add(rule.Rule{
	ID:       "WH112",
	Name:     "foreign-answer",
	Severity: rule.Error,
	Outage:   rule.Answered,
	Policy:   rule.Policy{None: "no write brings it: a host shows it"},
	Doc: rule.Doc{
		Problem: "When asked by ARP or NDP who has a host's address, a different machine answers.",
		Effect:  "Whoever asks next may send to the wrong machine: connections to the host are refused, time out, or end at a stranger that answers in its name.",
		Why:     "A host answers ARP for every address in its local table, on whichever device, unless arp_ignore says otherwise: also for one on " + kubeproxy.IPVSDevice + ". With strictARP it stays silent, and takes the address all the same, so the absence of a foreign answer proves nothing. An answer for a service address is normal, and no finding; so is a virtual IP's.",
		Fix:     "Look at the machine that answers: whohas diagnose there if it is a node, else take the address off it.",
		Since:   "0.1",
		Refs:    []string{"https://www.rfc-editor.org/rfc/rfc5227", "https://github.com/kubernetes/kubernetes/issues/104679"},
	},
	After:   []*rule.Rule{StolenAddress, ExternalIPIsNode, LBIPIsNode, ClaimsControlPlane, ClaimsTunnelAddress, ClaimsReserved},
	Subject: claim.Observed,
	Against: claim.Host | claim.ControlPlane | claim.Reserved,
	Check: func(p *rule.Pass) {
		answers := pick.OfKind(p.Subjects(), claimants.HostEcho.Kind)
		if len(answers) == 0 || movesAbout(p) {
			return
		}
		owners := pick.OnKey(p, claim.Host|claim.ControlPlane|claim.Reserved)
		own, known := ownMACs(p, owners)
		strange := strangers(answers, own)
		// Of one answer nobody knows whose it is, where the owner's cards are not known.
		if len(strange) == 0 || !known && len(strange) < 2 {
			return
		}
		p.Report(foreignAnswer(p, answers, owners, strange, known))
	},
})

func foreignAnswer(p *rule.Pass, answers, owners []claim.Claim, strange []string, known bool) rule.Finding {
	whose, _, _ := theft.OwnerText(p, owners)
	who := make([]string, len(strange))
	for i, mac := range strange {
		who[i] = machine(p, mac)
	}
	f := rule.Finding{
		Severity:  rule.Error,
		Title:     fmt.Sprintf("%s %s, and %s answers for it", p.Key.Range, whose, explain.Names(who)),
		Claimants: pick.ClaimantsOf(nil, owners, answers),
	}
	if len(strange) > 1 {
		f.Title = strings.TrimSuffix(f.Title, "answers for it") + "answer for it"
	}
	if !known {
		f.Severity = rule.Warning
		f.Title = fmt.Sprintf("%s %s, and %d machines answer for it: %s", p.Key.Range, whose, len(strange), explain.Names(who))
	}
	f.Chain = explain.Chain{
		Cause: explain.Link{Text: f.Title, Evidence: pick.Evidence(answers)},
		Impacts: []explain.Impact{{
			Text:      fmt.Sprintf("who asks for %s may take such a machine for its owner", p.Key.Range),
			Certainty: explain.Observed, Evidence: pick.Evidence(answers),
		}},
		Fixes: []explain.Fix{{Text: "look at each machine that answers", Steps: []explain.Step{{
			Where: explain.Names(who), Text: "see on which device it has the address; whohas diagnose tells why, if it is a node",
			Command: command.Shell("ip -o addr show to {}", p.Key.Range.String()),
		}}}},
	}
	return f
}

// movesAbout tells addresses that more than one machine may rightly answer for in
// turn: a virtual IP on somebody's card, or one that a Service has and no host.
func movesAbout(p *rule.Pass) bool {
	virtual := slices.ContainsFunc(pick.OnKey(p, claim.Observed), func(c claim.Claim) bool { return c.Kind == claimants.KernelAddress.Kind })
	return virtual && len(pick.OnKey(p, claim.Host)) == 0
}

// ownMACs are the cards of the hosts that own the key's address, where their
// kernels were read. A host answers by any of its cards (arp_filter off).
func ownMACs(p *rule.Pass, owners []claim.Claim) (macs []string, known bool) {
	for _, o := range owners {
		if o.Kind != claimants.KernelAddress.Kind {
			continue
		}
		for _, l := range p.Objects.Host(o.Origin.Host).Links {
			if l.MAC != "" {
				macs = append(macs, strings.ToLower(l.MAC))
			}
		}
	}
	return macs, len(macs) > 0
}

// strangers lists who answered and is not the owner. Virtual routers answer by a MAC
// that is nobody's card (RFC 9568 7.3).
func strangers(answers []claim.Claim, own []string) []string {
	var out []string
	for _, a := range answers {
		for mac := range strings.SplitSeq(a.Text, ", ") {
			mac = strings.ToLower(mac)
			virtual := strings.HasPrefix(mac, "00:00:5e:00:01:") || strings.HasPrefix(mac, "00:00:5e:00:02:")
			if !virtual && !slices.Contains(own, mac) {
				out = append(out, mac)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// machine names the machine with a card: a host that was read, else the address by
// which the wire or a neighbour table knows it.
func machine(p *rule.Pass, mac string) string {
	if name, ok := cardOf(p, mac); ok {
		return name + " (" + mac + ")"
	}
	if ip, ok := neighbourWith(p, mac); ok {
		if n, known := p.Facts.NodeWith(ip); known {
			return n.Name + " (" + mac + ")"
		}
		return ip.String() + " (" + mac + ")"
	}
	return mac
}

func cardOf(p *rule.Pass, mac string) (string, bool) {
	for h := range p.Objects.EachHost() {
		if slices.ContainsFunc(h.Links, func(l dataplane.Link) bool { return strings.EqualFold(l.MAC, mac) }) {
			return h.Name, true
		}
	}
	return "", false
}

// neighbourWith finds an address that a card is known by, other than the key's.
func neighbourWith(p *rule.Pass, mac string) (netip.Addr, bool) {
	for h := range p.Objects.EachHost() {
		for _, e := range h.Replies {
			if len(e.MACs) == 1 && strings.EqualFold(e.MACs[0], mac) && e.IP != p.Key.Range.From {
				return e.IP, true
			}
		}
		for _, n := range h.Neighbours {
			if strings.EqualFold(n.MAC, mac) && !n.Forward && n.IP.IsValid() && n.IP != p.Key.Range.From && !n.IP.IsLinkLocalUnicast() {
				return n.IP, true
			}
		}
	}
	return netip.Addr{}, false
}
