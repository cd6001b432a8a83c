// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/claimants"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/proxy"
	"whohas/rules/internal/theft"
)

// ClaimsReserved protects what stands in no Node: gateway, DNS, NTP, storage.
var ClaimsReserved = add(rule.Rule{
	ID:       "WH108",
	Name:     "claims-reserved",
	Severity: rule.Critical,
	Outage:   rule.Claimed,
	Policy:   rule.Policy{Refuses: rule.RefusesReserved},
	Doc: rule.Doc{
		Problem: "A Service, a request or a pool claims an address that is reserved: declared in .whohas.yaml (gateway, DNS, NTP, storage) or learned from objects (BGP peers, storage servers) or hosts (the default gateway).",
		Effect:  "In IPVS mode every node takes the address for its own and no longer reaches whoever has it: without its resolver or gateway a node is as good as lost. In the other modes the Service's port alone is taken.",
		Why:     "Routers, resolvers and storage servers are no objects of the cluster: only what was declared or is named by an object can be known.",
		Fix:     "Give the Service another address, or correct the declaration.",
		Since:   "0.1",
		Refs:    []string{"https://github.com/metallb/metallb/issues/306", "https://github.com/metallb/metallb/issues/157"},
	},
	After:   []*rule.Rule{ExternalIPIsNode, LBIPIsNode, LBRequestIsNode},
	Subject: claim.VIP | claim.Request | claim.Pool,
	Against: claim.Reserved,
	Check: func(p *rule.Pass) {
		intruders := pick.WithoutGateways(p.Subjects())
		owners := knownBetter(p, notTheServer(intruders, pick.Foreign(intruders, p.Others(claim.Reserved))))
		isPool := func(c claim.Claim) bool { return c.Role == claim.Pool }
		intruders, owners = pick.BesideNodes(p, intruders, owners, isPool)
		if len(intruders) == 0 || len(owners) == 0 {
			return
		}
		what := pick.ReservedFor(owners)
		place := p.Key.Range.String()
		if x := p.Key.Range.Intersect(owners[0].Range); x.IsValid() {
			place = x.String()
		}
		cause := fmt.Sprintf("%s claims %s, which is reserved (%s)", pick.Names(intruders), place, what)
		chain := chain.ClaimChain(p, intruders, owners, "whoever has the reserved address", cause, strings.Split(what, ", ")...)
		if p.Facts.Behavior().Binds && strings.Contains(what, "gateway") {
			chain.Notes = append(chain.Notes, throughTheGateway)
		}
		p.Report(rule.Finding{
			Severity:  reservedSeverity(p, intruders, owners),
			Title:     fmt.Sprintf("%s is reserved (%s), and %s claims it", place, what, pick.Names(intruders)),
			Claimants: theft.Takers(p, intruders, owners),
			Chain:     chain,
		})
	},
})

// throughTheGateway is what happens to traffic that only passes the gateway: a
// node goes on sending to the gateway's hardware address, and ARP replies from it
// are still taken in; its requests are not answered.
var throughTheGateway = explain.Link{
	Text: "traffic through the gateway may go on for a while: it ends when the gateway must ask for a node's hardware address, " +
		"because its request carries the address that the node takes for its own",
	Evidence: []string{"linux net/ipv4/arp.c arp_process: a request goes through ip_route_input, which drops an own address as source; a reply does not"},
}

func reservedSeverity(p *rule.Pass, intruders, owners []claim.Claim) rule.Severity {
	if s, ok := proxy.Inert(p, intruders); ok {
		return s
	}
	for _, o := range owners {
		switch o.Kind {
		case "declared.gateway", "declared.dns", claimants.KernelGateway.Kind,
			claimants.HostResolver.Kind, claimants.HostEtcd.Kind, claimants.HostSession.Kind, claimants.KernelTunnelPeer.Kind, claimants.KernelNextHop.Kind,
			claimants.MetalLBBGPPeer.Kind, claimants.MetalLBConfigPeer.Kind,
			claimants.CalicoBGPPeer.Kind, claimants.CalicoCRDBGPPeer.Kind,
			claimants.CiliumBGPPeeringPolicy.Kind, claimants.CiliumBGPClusterConfig.Kind:
			return proxy.ModeSeverity(p.Facts)
		}
	}
	return rule.Error
}

// knownBetter leaves out a next hop that is a node or host of the cluster: the rules
// on nodes know more of it. To its traffic a Service's port is nothing: it is for
// somebody else, and passes.
func knownBetter(p *rule.Pass, owners []claim.Claim) []claim.Claim {
	hops := pick.OfKind(owners, claimants.KernelNextHop.Kind)
	if len(hops) == 0 || len(pick.NotOfNodes(p, hops)) > 0 {
		return owners
	}
	return slices.DeleteFunc(owners, func(o claim.Claim) bool { return o.Kind == claimants.KernelNextHop.Kind })
}

// notTheServer leaves out a storage, DNS or time server's address where the Service that
// claims it serves that itself: the volume is mounted, the hosts resolve names
// through the Service.
func notTheServer(intruders, owners []claim.Claim) []claim.Claim {
	storage, dns, ntp := false, false, false
	for port := range pick.PortsOn(intruders) {
		storage = storage || slices.Contains(theft.StoragePorts, port.Number)
		dns = dns || port.Number == theft.DNSPort
		ntp = ntp || port.Number == theft.NTPPort
	}
	return slices.DeleteFunc(owners, func(o claim.Claim) bool {
		return storage && o.Kind == claimants.StorageServer.Kind || dns && o.Kind == claimants.HostResolver.Kind || ntp && o.Kind == claimants.HostTimeServer.Kind
	})
}
