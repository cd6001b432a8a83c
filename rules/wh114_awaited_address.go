// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/claimants"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/theft"
)

// AwaitedAddress is the outage between two syncs of kube-proxy.
var AwaitedAddress = add(rule.Rule{
	ID:       "WH114",
	Name:     "awaited-address",
	Severity: rule.Error,
	Outage:   rule.Awaited,
	Policy:   rule.Policy{None: "no write brings it: a host shows it"},
	Doc: rule.Doc{
		Problem: "A host's kube-proxy serves an address that belongs to another, and the address is on no device there at this moment: somebody has taken it off " + kubeproxy.IPVSDevice + ".",
		Effect:  "kube-proxy puts it back at its next sync, within 30 s. From then on the host talks to itself where it means the owner. The Service's own ports of the address lead to its real servers already.",
		Why:     "kube-proxy works from what it heard last. IPVS and its ipsets show that it still wants the address: it takes both away in the first sync in which no Service claims it.",
		Fix:     "Lead over the local table for the address by a routing rule: then it does not matter that kube-proxy puts it back. Take the claim away where the API is reached, and the rule when kube-proxy has taken the address off by itself.",
		Since:   "kube-proxy 1.11 (IPVS)",
		Refs: []string{
			"https://github.com/kubernetes-sigs/kubespray/issues/9455",
			"https://github.com/kubernetes/kubernetes/issues/104679",
		},
	},
	After:   []*rule.Rule{ExternalIPIsNode, LBIPIsNode, ClaimsControlPlane, ClaimsTunnelAddress, ClaimsReserved},
	Subject: claim.Observed,
	Against: claim.Host | claim.ControlPlane | claim.Tunnel | claim.Reserved,
	Check: func(p *rule.Pass) {
		t := theft.TakenFrom(p, claimants.KernelAwaitedAddress.Kind)
		era := p.Facts.Behavior()
		if len(t.Held) == 0 || !era.Binds { // up to 1.10 IPVS serves what it does not bind
			return
		}
		hosts := pick.HostNames(t.Held)
		whose, _, _ := theft.OwnerText(p, t.Owners)
		severity, title := rule.Error, fmt.Sprintf("%s %s, and kube-proxy on %s puts it back on "+kubeproxy.IPVSDevice+" at its next sync", p.Key.Range, whose, explain.Names(hosts))
		if at, _ := theft.PassedOver(p, t.Held); len(at) == 0 {
			severity = rule.Warning
			title += fmt.Sprintf("; %s over it by a routing rule", theft.Verb(t.Held, "the host passes", "the hosts pass"))
		}
		p.Report(rule.Finding{
			Severity:  severity,
			Title:     title,
			Claimants: pick.ClaimantsOf(t.Held, t.Owners, theft.Bearers(p)),
			Chain: explain.Chain{
				Cause: explain.Link{Text: fmt.Sprintf("IPVS on %s serves %s, which %s; it is on no device there now", explain.Names(hosts), p.Key.Range, whose), Evidence: pick.Evidence(t.Held[:min(len(t.Held), 4)])},
				Impacts: []explain.Impact{{
					Text:      "kube-proxy's next sync, within 30 s, puts the address back on " + kubeproxy.IPVSDevice + ", unless it has heard by then that nobody claims it",
					Nodes:     hosts,
					Certainty: explain.Derived,
					Evidence:  []string{"kubernetes pkg/proxy/ipvs/proxier.go syncService, bindAddr; lab repair-once"},
				}},
				Notes: append(theft.IpsetNotes(p, t.Held), theft.ServerNotes(p, t.Held)...),
				Fixes: []explain.Fix{fix.PassOverFix(p, "take the claim away; until kube-proxy has learned of that, pass over the address", hosts, kubeproxy.IPVSDevice, nil)},
			},
		})
	},
})
