// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/cluster"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/proxy"
	"whohas/rules/internal/theft"
)

// ClaimsTunnelAddress cuts Pod traffic instead of node traffic.
var ClaimsTunnelAddress = add(rule.Rule{
	ID:       "WH107",
	Name:     "claims-tunnel-address",
	Severity: rule.Critical,
	Outage:   rule.Claimed,
	Policy:   rule.Policy{Refuses: rule.RefusesTunnel},
	Doc: rule.Doc{
		Problem: "A Service, a request or a pool claims the address of a tunnel device or router of the network plugin.",
		Effect:  "In IPVS mode every node takes the address for its own: the node whose tunnel it is loses what others send to its tunnel address, and its own packets with that source are dropped as martians. Traffic from that node's host to Pods elsewhere uses this source.",
		Why:     "Tunnel addresses stand only in annotations (projectcalico.org/IPv4IPIPTunnelAddr and others) or custom resources; nobody compares them with Services.",
		Fix:     "Give the Service an address outside the Pods' and nodes' ranges.",
		Since:   "kube-proxy 1.11 (IPVS)",
		Refs:    []string{"https://docs.tigera.io/calico/latest/networking/configuring/vxlan-ipip", "https://github.com/kubernetes/kubernetes/issues/66509"},
	},
	Needs:   []rule.Need{{Kind: cluster.NodeKind, For: "the tunnels' addresses"}},
	Subject: claim.VIP | claim.Request | claim.Pool,
	Against: claim.Tunnel,
	Check: func(p *rule.Pass) {
		intruders := pick.WithoutGateways(p.Subjects())
		owners := pick.Foreign(intruders, p.Others(claim.Tunnel))
		if len(intruders) == 0 || len(owners) == 0 {
			return
		}
		cause := fmt.Sprintf("%s claims %s, the tunnel or router address of %s", pick.Names(intruders), pick.WhichAddress(p, owners), pick.NodeNames(owners))
		severity := proxy.ModeSeverity(p.Facts)
		if s, ok := proxy.Inert(p, intruders); ok {
			severity = s
		}
		p.Report(rule.Finding{
			Severity:  severity,
			Title:     fmt.Sprintf("%s is the tunnel address of %s, and %s claims it", pick.WhichAddress(p, owners), pick.NodeNames(owners), pick.Names(intruders)),
			Claimants: theft.Takers(p, intruders, owners),
			Chain:     chain.ClaimChain(p, intruders, owners, "the tunnel of "+pick.NodeNames(owners), cause, "tunnel"),
		})
	},
})
