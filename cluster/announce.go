// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"

	"whohas/snapshot"
)

var (
	l2Advertisement = snapshot.Kind{Group: "metallb.io", Kind: "L2Advertisement", Resource: "l2advertisements", Namespaced: true}
	ciliumL2Policy  = snapshot.Kind{Group: "cilium.io", Kind: "CiliumL2AnnouncementPolicy", Resource: "ciliuml2announcementpolicies"}
	addressPool     = snapshot.Kind{Group: "metallb.io", Kind: "AddressPool", Resource: "addresspools", Namespaced: true}
	openELBEip      = snapshot.Kind{Group: "network.kubesphere.io", Kind: "Eip", Resource: "eips"}
)

// announceReads are the fields that tell who answers ARP for service addresses.
var announceReads = []snapshot.Read{
	{Kind: l2Advertisement, Fields: []string{"spec.ipAddressPools", "spec.ipAddressPoolSelectors"}},
	{Kind: ciliumL2Policy, Fields: []string{"spec.loadBalancerIPs", "spec.externalIPs"}},
	{Kind: addressPool, Fields: []string{"spec.protocol"}},
	{Kind: openELBEip, Fields: []string{"spec.protocol"}},
	{Kind: ConfigMapKind, Names: []string{"metallb-system/config", "metallb-system/metallb"}, Fields: []string{"data.config<yaml>.address-pools.protocol"}},
}

// Announcer answers ARP and NDP for the addresses of some pools.
type Announcer struct {
	Ref   snapshot.Ref
	Agent string   // "metallb", "cilium"
	Pools []string // by name; nil: every pool of the agent
}

func (f *Facts) announcers(s *snapshot.Snapshot) {
	for _, o := range s.Kind(l2Advertisement) {
		a := Announcer{Ref: o.Ref, Agent: "metallb"}
		for p := range o.Field("spec", "ipAddressPools").Items() {
			a.Pools = append(a.Pools, p.Text())
		}
		// A selector by labels is not followed: such an advertisement counts for
		// no pool by name, so that nothing is concluded from it.
		if o.Field("spec", "ipAddressPoolSelectors").OK() && a.Pools == nil {
			a.Pools = []string{}
		}
		f.L2 = append(f.L2, a)
	}
	for _, o := range s.Kind(ciliumL2Policy) {
		if o.Field("spec", "loadBalancerIPs").Is() {
			f.L2 = append(f.L2, Announcer{Ref: o.Ref, Agent: "cilium"})
		}
	}
	f.selfAnnounced(s)
}

// selfAnnounced: the older forms of MetalLB's pools, and OpenELB's, say themselves
// how they are announced.
func (f *Facts) selfAnnounced(s *snapshot.Snapshot) {
	const layer2 = "layer2"
	for agent, kind := range map[string]snapshot.Kind{"metallb": addressPool, "openelb": openELBEip} {
		for _, o := range s.Kind(kind) {
			if o.Field("spec", "protocol").Text() == layer2 {
				f.L2 = append(f.L2, Announcer{Ref: o.Ref, Agent: agent, Pools: []string{o.Ref.Name}})
			}
		}
	}
	for _, o := range s.Kind(ConfigMapKind) {
		if o.Ref.Namespace != "metallb-system" {
			continue
		}
		for p := range o.Field("data", "config", "address-pools").Items() {
			if p.Get("protocol").Text() == layer2 {
				f.L2 = append(f.L2, Announcer{Ref: o.Ref, Agent: "metallb", Pools: []string{o.Ref.Name}})
				break
			}
		}
	}
}

// AnnouncedByL2 tells whether a pool's addresses are known to be answered for on
// the wire.
func (f *Facts) AnnouncedByL2(agent string, pool snapshot.Ref) bool {
	return slices.ContainsFunc(f.L2, func(a Announcer) bool {
		return a.Agent == agent && (a.Pools == nil || slices.Contains(a.Pools, pool.Name))
	})
}
