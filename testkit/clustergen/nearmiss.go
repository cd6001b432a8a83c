// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"fmt"
	"net/netip"
)

// addNearMisses gives some Services a part that looks like a conflict and is
// none. There are as many of each as fit into one in fifty, at least one if
// there are Services left for it.
func (b *builder) addNearMisses() {
	for n := range len(b.balancers)/50 + 1 {
		b.shareByKey(n)
		b.shareByProtocol(n)
		b.nameOneAddressThrice()
		b.proxiedIngress()
		b.hostnameIngress()
	}
	for n := range len(b.external)/50 + 1 {
		b.manyPorts(n)
	}
}

// shareByKey makes a pair that may share an address: one key, other ports.
func (b *builder) shareByKey(n int) {
	b.share(fmt.Sprintf("shared-%03d", n), onePort("http", 80), onePort("https", 443))
}

// shareByProtocol makes a pair on one port that differs by protocol.
func (b *builder) shareByProtocol(n int) {
	b.share(fmt.Sprintf("dns-%03d", n),
		[]port{{name: "dns", number: 53, target: 5353, protocol: "UDP"}},
		[]port{{name: "dns-tcp", number: 53, target: 5353}})
}

func (b *builder) share(key string, first, second []port) {
	if len(b.balancers) < 2 {
		return
	}
	p, a := b.nextPoolAddr(false)
	for _, ports := range [][]port{first, second} {
		s := b.nextService(&b.balancers)
		s.ports, s.shareKey, s.pool = ports, key, p.name
		s.ingress, s.request = []ingress{{ip: a}}, a
	}
}

// nameOneAddressThrice makes a Service that has one address as external
// address, by request and in its status: one owner. The address comes from a
// pool that gives nothing out unasked, as an external address must.
func (b *builder) nameOneAddressThrice() {
	if len(b.balancers) == 0 {
		return
	}
	p, a := b.nextPoolAddr(true)
	if p == nil {
		return
	}
	s := b.nextService(&b.balancers)
	s.pool = p.name
	s.external, s.request, s.ingress = []netip.Addr{a}, a, []ingress{{ip: a}}
}

// proxiedIngress makes a Service whose status names a Node with ipMode Proxy,
// which kube-proxy does not bind.
func (b *builder) proxiedIngress() {
	if len(b.balancers) == 0 || len(b.nodes) == 0 {
		return
	}
	s := b.nextService(&b.balancers)
	s.class = otherClass
	s.ingress = []ingress{{ip: nodeAddr(b.nextNode()), mode: "Proxy"}}
}

// hostnameIngress makes a Service whose status has a name and no address.
func (b *builder) hostnameIngress() {
	if len(b.balancers) == 0 {
		return
	}
	s := b.nextService(&b.balancers)
	s.class = otherClass
	s.ingress = []ingress{{hostname: s.name + ".lb.example.com"}}
}

// manyPorts makes a Service that has one external address on many ports, the
// same one by several protocols.
func (b *builder) manyPorts(n int) {
	if len(b.external) == 0 {
		return
	}
	s := b.nextService(&b.external)
	s.external = []netip.Addr{b.nextExternal()}
	for i, number := range []int{80, 443, 5060, 8080, 8443, 9000 + n%100} {
		s.ports = append(s.ports, port{name: fmt.Sprintf("tcp-%d", i), number: number, target: number})
	}
	s.ports = append(s.ports, port{name: "sip-udp", number: 5060, target: 5060, protocol: "UDP"})
}
