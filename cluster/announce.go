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
	{Kind: l2Advertisement, Fields: []string{"spec.ipAddressPools[]", "spec.ipAddressPoolSelectors<any>"}},
	{Kind: ciliumL2Policy, Fields: []string{"spec.loadBalancerIPs<bool>", "spec.externalIPs<bool>"}},
	{Kind: addressPool, Fields: []string{"spec.protocol"}},
	{Kind: openELBEip, Fields: []string{"spec.protocol"}},
	{Kind: ConfigMapKind, Names: []string{"metallb-system/config", "metallb-system/metallb"}, Fields: []string{"data.config<yaml>.address-pools[].protocol<scalar>"}},
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
	for _, kind := range []snapshot.Kind{addressPool, openELBEip, ConfigMapKind} {
		for _, o := range s.Kind(kind) {
			if a, ok := announcer(o); ok {
				f.L2 = append(f.L2, a)
			}
		}
	}
}

// announcer is a pool that says of itself that it is announced by ARP and NDP.
func announcer(o *snapshot.Object) (a Announcer, ok bool) {
	const layer2 = "layer2"
	a = Announcer{Ref: o.Ref, Agent: "metallb", Pools: []string{o.Ref.Name}}
	switch {
	case o.Ref == addressPool.Ref(o.Ref.Namespace, o.Ref.Name):
		return a, o.Field("spec", "protocol").Text() == layer2
	case o.Ref == openELBEip.Ref(o.Ref.Namespace, o.Ref.Name):
		a.Agent = "openelb"
		return a, o.Field("spec", "protocol").Text() == layer2
	case o.Ref == ConfigMapKind.Ref("metallb-system", o.Ref.Name):
		for p := range o.Field("data", "config", "address-pools").Items() {
			ok = ok || p.Get("protocol").Text() == layer2
		}
	}
	return a, ok
}

// Announcing is f with what one object says of its own announcing, as o has it; nil
// is no such object. f is not changed.
func (f *Facts) Announcing(r snapshot.Ref, o *snapshot.Object) *Facts {
	var now []Announcer
	if o != nil {
		if a, ok := announcer(o); ok {
			now = append(now, a)
		}
	}
	is := func(a Announcer) bool { return a.Ref == r }
	if len(now) == 0 && !slices.ContainsFunc(f.L2, is) {
		return f
	}
	g := *f
	g.L2 = append(slices.DeleteFunc(slices.Clone(f.L2), is), now...)
	return &g
}

// AnnouncedByL2 reports whether a pool's addresses are known to be answered for on
// the wire.
func (f *Facts) AnnouncedByL2(agent string, pool snapshot.Ref) bool {
	return slices.ContainsFunc(f.L2, func(a Announcer) bool {
		return a.Agent == agent && (a.Pools == nil || slices.Contains(a.Pools, pool.Name))
	})
}
