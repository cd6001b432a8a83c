// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// need is what of a generated cluster conflicts use up.
type need struct {
	external, balancers, plain int // Services
	nodes, pods, ranges        int
}

// conflict is one way in which addresses clash.
type conflict struct {
	rule  string
	once  bool // there is but one such address
	need  need
	plant func(*builder)
}

func conflicts() []conflict {
	return []conflict{
		{rule: "WH101", need: need{external: 1, nodes: 1}, plant: (*builder).externalIPIsNode},
		{rule: "WH102", need: need{balancers: 1, nodes: 1}, plant: (*builder).ingressIsNode},
		{rule: "WH103", need: need{balancers: 1, nodes: 1}, plant: (*builder).requestIsNode},
		{rule: "WH104", need: need{nodes: 1}, plant: (*builder).poolContainsNode},
		{rule: "WH106", once: true, need: need{external: 1}, plant: (*builder).claimsControlPlane},
		{rule: "WH107", need: need{external: 1, nodes: 1}, plant: (*builder).claimsTunnel},
		{rule: "WH201", need: need{external: 2}, plant: (*builder).duplicateFrontend},
		{rule: "WH202", need: need{balancers: 2}, plant: (*builder).sharedWithoutKey},
		{rule: "WH203", need: need{external: 1, plain: 1}, plant: (*builder).claimsClusterIP},
		{rule: "WH204", need: need{external: 1}, plant: (*builder).claimsServiceCIDR},
		{rule: "WH205", need: need{external: 1, pods: 1}, plant: (*builder).claimsPodCIDR},
		{rule: "WH301", need: need{ranges: 1}, plant: (*builder).poolsOverlap},
	}
}

// sequence spreads n conflicts evenly over the rules.
func sequence(n int) []conflict {
	all := make([]conflict, 0, max(n, 0))
	for round := 0; len(all) < n; round++ {
		for _, c := range conflicts() {
			if len(all) < n && !(c.once && round > 0) {
				all = append(all, c)
			}
		}
	}
	return all
}

// needs sums up what n conflicts use.
func needs(n int) need {
	var sum need
	for _, c := range sequence(n) {
		sum.external += c.need.external
		sum.balancers += c.need.balancers
		sum.plain += c.need.plain
		sum.nodes += c.need.nodes
		sum.pods += c.need.pods
		sum.ranges += c.need.ranges
	}
	return sum
}

func (b *builder) plantConflicts() {
	for _, c := range sequence(b.size.Conflicts) {
		c.plant(b)
	}
	slices.SortFunc(b.planted, func(x, y Planted) int {
		return cmp.Or(cmp.Compare(x.Rule, y.Rule), cmp.Compare(x.Address+x.Range, y.Address+y.Range))
	})
}

// expect notes a finding; why is empty unless another finding brings it.
func (b *builder) expect(rule string, a netip.Addr, why string, objects ...string) {
	slices.Sort(objects)
	b.planted = append(b.planted, Planted{Rule: rule, Address: a.String(), Objects: objects, Why: why})
}

// onePort is for Services of which only the address shall clash, or all of it.
func onePort(name string, number int) []port {
	return []port{{name: name, number: number, target: 8000 + number}}
}

func (b *builder) externalIPIsNode() {
	s, n := b.nextService(&b.external), b.nextNode()
	s.external = []netip.Addr{nodeAddr(n)}
	b.expect("WH101", nodeAddr(n), "", s.object(), b.nodeObject(n))
}

// otherClass is a load balancer that the cluster knows nothing about: no pool
// of its own, so an address cannot be outside its pools.
const otherClass = "example.com/edge"

func (b *builder) ingressIsNode() {
	s, n := b.nextService(&b.balancers), b.nextNode()
	s.class = otherClass
	s.ingress = []ingress{{ip: nodeAddr(n)}}
	b.expect("WH102", nodeAddr(n), "", s.object(), b.nodeObject(n))
}

// requestIsNode leaves the Service without an address: MetalLB refuses one that
// is in none of its pools, which is a finding too.
func (b *builder) requestIsNode() {
	s, n := b.nextService(&b.balancers), b.nextNode()
	s.request = nodeAddr(n)
	b.expect("WH103", nodeAddr(n), "", s.object(), b.nodeObject(n))
	b.expect("WH308", nodeAddr(n), "no pool may contain a node's address, so a request for one is outside the pools", s.object())
}

func (b *builder) poolContainsNode() {
	n := b.nextNode()
	a := nodeAddr(n)
	p := pool{name: fmt.Sprintf("edge-%03d", len(b.pools)-b.size.Pools), ranges: []string{span(a, a.Next())}}
	b.pools = append(b.pools, p)
	b.expect("WH104", a, "", p.object(), b.nodeObject(n))
}

func (b *builder) claimsControlPlane() {
	s := b.nextService(&b.external)
	s.external = []netip.Addr{controlPlaneVIP()}
	b.expect("WH106", controlPlaneVIP(), "", s.object(), "ConfigMap kube-system/kubeadm-config")
}

func (b *builder) claimsTunnel() {
	s, n := b.nextService(&b.external), b.nextNode()
	a := tunnelAddr(n)
	s.external = []netip.Addr{a}
	b.expect("WH107", a, "", s.object(), b.nodeObject(n))
	b.expect("WH101", a, "a tunnel address in a Node's annotation is an address of that host", s.object(), b.nodeObject(n))
	b.expect("WH205", a, "tunl0 has an address of the pod CIDR", s.object())
}

func (b *builder) duplicateFrontend() {
	s, t := b.nextService(&b.external), b.nextService(&b.external)
	a := b.nextExternal()
	s.external, t.external = []netip.Addr{a}, []netip.Addr{a}
	s.ports, t.ports = onePort("http", 80), onePort("web", 80)
	b.expect("WH201", a, "", s.object(), t.object())
}

func (b *builder) sharedWithoutKey() {
	s, t := b.nextService(&b.balancers), b.nextService(&b.balancers)
	p, a := b.nextPoolAddr(false)
	for _, each := range []*service{s, t} {
		each.pool = p.name
		each.ingress = []ingress{{ip: a}}
		if p.manual {
			each.request = a
		}
	}
	s.ports, t.ports = onePort("http", 80), onePort("https", 443)
	b.expect("WH202", a, "", s.object(), t.object())
}

func (b *builder) claimsClusterIP() {
	s, owner := b.nextService(&b.external), b.nextService(&b.plain)
	owner.pinned = true
	s.external = []netip.Addr{owner.clusterIP}
	b.expect("WH203", owner.clusterIP, "", s.object(), owner.object())
	b.expect("WH204", owner.clusterIP, "every ClusterIP lies in the ServiceCIDR", s.object())
}

func (b *builder) claimsServiceCIDR() {
	s := b.nextService(&b.external)
	a := unusedClusterIP(b.clusterIPs)
	b.clusterIPs++
	s.external = []netip.Addr{a}
	b.expect("WH204", a, "", s.object())
}

// claimsPodCIDR takes an unused address and a running Pod's in turn.
func (b *builder) claimsPodCIDR() {
	s := b.nextService(&b.external)
	n := b.podIPs
	b.podIPs++
	if n%2 == 0 {
		a := unusedPodAddr(n)
		s.external = []netip.Addr{a}
		b.expect("WH205", a, "", s.object())
		return
	}
	apps := b.size.Pods - b.size.systemPods()
	victim := b.pod(b.appPod(n * apps / needs(b.size.Conflicts).pods))
	s.external = []netip.Addr{victim.ip}
	b.expect("WH205", victim.ip, "", s.object(), victim.object())
}

// poolsOverlap adds two pools of which the second begins inside the first.
func (b *builder) poolsOverlap() {
	block := labBlock(b.labs)
	first := pool{name: fmt.Sprintf("lab-%03d-a", b.labs), ranges: []string{span(at(block, 10), at(block, 99))}}
	second := pool{name: fmt.Sprintf("lab-%03d-b", b.labs), ranges: []string{at(block, 64).String() + "/26"}, manual: true}
	b.labs++
	b.pools = append(b.pools, first, second)
	b.planted = append(b.planted, Planted{
		Rule:    "WH301",
		Range:   span(at(block, 64), at(block, 99)),
		Objects: []string{first.object(), second.object()},
	})
}
