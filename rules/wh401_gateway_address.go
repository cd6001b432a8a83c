// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"

	"whohas/claim"
	"whohas/claimants"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/proxy"
)

// GatewayAddress is every takeover, asked for by a Gateway.
var GatewayAddress = add(rule.Rule{
	ID:       "WH401",
	Name:     "gateway-address",
	Severity: rule.Critical,
	Policy:   rule.Policy{None: "a Gateway is no Service: the webhook asks about it"},
	Doc: rule.Doc{
		Problem: "A Gateway's spec.addresses names an address that belongs to a node, the control plane, a tunnel, a Service or a Pod, that is reserved, lies in a range of the cluster, or cannot be used.",
		Effect:  "The Gateway's controller hands the address on to a Service that it generates: what then breaks is what WH101, WH106 to WH108 and WH203 to WH206 tell. A controller that notices sets Programmed=False with AddressNotUsable.",
		Why:     "The Gateway API leaves it to each controller to check addresses; uniqueness is checked inside one Gateway only.",
		Fix:     "Give the Gateway an address that nobody has (whohas who --free CIDR), or none.",
		Since:   "0.1",
		Refs:    []string{"https://gateway-api.sigs.k8s.io/reference/spec/#gatewayspec"},
	},
	Subject: claim.Request,
	Against: claim.Request | gatewayOwners | claim.ServiceRange | claim.PodRange,
	Check: func(p *rule.Pass) {
		gateways := pick.OfKind(p.Subjects(), claimants.GatewayAddress.Kind)
		if len(gateways) == 0 {
			return
		}
		intruders, owners := pick.Against(gateways, slices.Concat(p.Others(gatewayOwners), pick.Covering(p, p.Others(claim.ServiceRange|claim.PodRange))))
		why := p.Facts.UnusableAs(p.Key.Range.From)
		if why != "" {
			intruders = gateways
		}
		if len(intruders) == 0 {
			return
		}
		title := fmt.Sprintf("%s asks for %s, which is %s", pick.Names(intruders), p.Key.Range, why)
		if len(owners) > 0 {
			title = fmt.Sprintf("%s asks for %s, which belongs to %s", pick.Names(intruders), p.Key.Range, pick.Names(owners))
		}
		p.Report(rule.Finding{
			Severity:  proxy.ModeSeverity(p.Facts),
			Title:     title,
			Claimants: append(rule.Claimants(rule.Intruder, intruders...), rule.Claimants(rule.Owner, owners...)...),
			Chain:     chain.GatewayChain(p, intruders, owners, title),
		})
	},
})

// gatewayOwners are the roles of those whose address no Gateway may ask for.
const gatewayOwners = claim.Host | claim.ControlPlane | claim.Tunnel | claim.Reserved | claim.ClusterIP | claim.PodIP
