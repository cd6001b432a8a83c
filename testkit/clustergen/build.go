// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"fmt"
	"net/netip"
	"strings"
)

// builder lays out a generated cluster. The queues hold what is still unassigned, in random
// order: conflicts are taken from them first, then near misses, and the rest
// becomes ordinary.
type builder struct {
	*Cluster
	external, balancers, plain []int // Services by number
	nodes                      []int // worker Nodes by number

	externals, clusterIPs, podIPs, labs int // addresses and blocks used so far
	nodePorts, poolTurn                 int
}

func (b *builder) nextService(queue *[]int) *service {
	s := &b.services[(*queue)[0]]
	*queue = (*queue)[1:]
	return s
}

func (b *builder) nextNode() int {
	n := b.nodes[0]
	b.nodes = b.nodes[1:]
	return n
}

func (b *builder) nextExternal() netip.Addr {
	b.externals++
	return externalAddr(b.externals - 1)
}

// nextPoolAddr takes an address from the pools in turn, or only from those that
// MetalLB gives out on request. There is always one unless manual.
func (b *builder) nextPoolAddr(manual bool) (*pool, netip.Addr) {
	for range b.size.Pools {
		p := &b.pools[b.poolTurn%b.size.Pools]
		b.poolTurn++
		if p.taken == poolAddresses || manual && !p.manual {
			continue
		}
		p.taken++
		return p, at(p.block, 15+p.taken)
	}
	return nil, netip.Addr{}
}

// nodePortRange is how many node ports a cluster has to give.
const nodePortRange = 2768

// nextNodePort gives 0 once the range is used up.
func (b *builder) nextNodePort() int {
	if b.nodePorts == nodePortRange {
		return 0
	}
	b.nodePorts++
	return 30000 + b.nodePorts*1009%nodePortRange // 1009 is prime to the range
}

// serviceWords are in alphabetical order and eight to a letter group, so that
// the eight Services of a namespace are listed in the order kubectl lists them.
var serviceWords = strings.Fields(`
	account address alert analytics api archive asset auth
	backup basket billing bot broker cache calendar campaign
	cart catalog chat checkout claims client comment config
	contract coupon crm customer dashboard delivery device digest
	discount document event export feed file forecast fraud
	gateway geo image import index inventory invoice job
	ledger login mail media message metric notify offer
	order payment price profile queue report search session`)

// areas are in alphabetical order too.
var areas = strings.Fields("billing catalog data edge identity logistics media orders payments platform reports search shop web")

const servicesPerNamespace = 8

func (f *Cluster) appNamespaces() int {
	return (f.size.Services - systemServices + servicesPerNamespace - 1) / servicesPerNamespace
}

func (f *Cluster) appNamespace(n int) string {
	return fmt.Sprintf("prod-%s-%04d", areas[n*len(areas)/f.appNamespaces()], n)
}

func (b *builder) layNamespaces() {
	b.namespaces = []string{"default", "kube-node-lease", "kube-public", "kube-system", "metallb-system"}
	for n := range b.appNamespaces() {
		b.namespaces = append(b.namespaces, b.appNamespace(n))
	}
	b.namespaces = append(b.namespaces, "tools")
}

func (b *builder) layServices() {
	apps := b.size.Services - systemServices
	b.services = make([]service, b.size.Services)
	b.services[0] = service{namespace: "default", name: "kubernetes", ports: []port{{name: "https", number: 443, target: 6443}}}
	b.services[1] = service{namespace: "kube-system", name: "kube-dns", ports: []port{
		{name: "dns", number: 53, target: 53, protocol: "UDP"}, {name: "dns-tcp", number: 53, target: 53}, {name: "metrics", number: 9153, target: 9153}}}
	parts := [...]string{"api", "svc", "web"}
	for i := range apps {
		s := &b.services[systemServices+i]
		draw := b.draw(forService, systemServices+i)
		word := serviceWords[i%servicesPerNamespace*8+int(draw%8)]
		s.namespace = b.appNamespace(i / servicesPerNamespace)
		s.name = word + "-" + parts[draw>>8%uint64(len(parts))]
	}
	for i := range b.services {
		b.services[i].number = i
		b.services[i].clusterIP = b.clusterIP(i)
	}
	order := b.shuffle(0, apps)
	for i := range order {
		order[i] += systemServices
	}
	b.external, order = order[:b.size.ExternalIPServices], order[b.size.ExternalIPServices:]
	b.balancers, b.plain = order[:b.size.LoadBalancers], order[b.size.LoadBalancers:]
	b.layPlain()
	for _, i := range b.balancers {
		b.services[i].shape = loadBalancer
	}
	for _, n := range b.shuffle(1, b.size.workers()) {
		b.nodes = append(b.nodes, b.size.controlPlanes()+n)
	}
}

// layPlain makes some of the plain Services headless, ExternalName or NodePort,
// but leaves those alone whose ClusterIP a conflict will need.
func (b *builder) layPlain() {
	for k, i := range b.plain[needs(b.size.Conflicts).plain:] {
		switch s := &b.services[i]; {
		case k%20 == 3:
			s.shape, s.clusterIP = headless, netip.Addr{}
		case k%150 == 11:
			s.shape, s.clusterIP = externalName, netip.Addr{}
		case k%100 == 7:
			s.shape = nodePort
		}
	}
}

func (b *builder) layPools() {
	for i := range b.size.Pools {
		p := pool{name: fmt.Sprintf("pool-%03d", i), block: poolBlock(i), manual: i%10 == 0}
		p.ranges = []string{span(at(p.block, 10), at(p.block, 249))}
		if p.manual {
			p.ranges = []string{at(p.block, 16).String() + "/28", at(p.block, 32).String() + "/27", at(p.block, 64).String() + "/26", at(p.block, 128).String() + "/26"}
		}
		b.pools = append(b.pools, p)
	}
}

// fillServices gives every Service that has no part yet an ordinary one.
func (b *builder) fillServices() {
	for _, i := range b.external {
		s := &b.services[i]
		s.external = append(s.external, b.nextExternal())
		if b.draw(forService, i)>>16%10 == 0 {
			s.external = append(s.external, b.nextExternal())
		}
	}
	for _, i := range b.balancers {
		b.fillBalancer(&b.services[i])
	}
	for i := range b.services {
		s := &b.services[i]
		if s.ports == nil && s.shape != externalName {
			s.ports = b.ordinaryPorts(i)
		}
		b.givePorts(s)
	}
}

func (b *builder) fillBalancer(s *service) {
	p, a := b.nextPoolAddr(false)
	s.pool = p.name
	s.ingress = []ingress{{ip: a}}
	if p.manual {
		s.request = a
	}
}

func (b *builder) ordinaryPorts(i int) []port {
	http := port{name: "http", number: 80, target: 8080}
	switch b.draw(forService, i) >> 24 % 8 {
	case 0:
		return []port{{name: "postgres", number: 5432, target: 5432}}
	case 1:
		return []port{{name: "grpc", number: 50051, target: 50051}, {name: "metrics", number: 9090, target: 9090}}
	case 2, 3:
		return []port{http, {name: "https", number: 443, target: 8443}}
	}
	return []port{http}
}

// givePorts gives node ports while there are any. A load balancer can do
// without; one that cannot have them says so.
func (b *builder) givePorts(s *service) {
	if s.shape != nodePort && s.shape != loadBalancer {
		return
	}
	for i := range s.ports {
		s.ports[i].node = b.nextNodePort()
		if s.ports[i].node == 0 {
			b.withoutPorts(s)
			return
		}
	}
}

func (b *builder) withoutPorts(s *service) {
	for i := range s.ports {
		s.ports[i].node = 0
	}
	if s.shape == nodePort {
		s.shape = clusterIP
	}
}
