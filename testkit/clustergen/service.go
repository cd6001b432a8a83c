// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"fmt"
	"net/netip"
	"strings"
)

// shape is the kind of a Service.
type shape int

const (
	clusterIP shape = iota
	headless
	externalName
	nodePort
	loadBalancer
)

func (s shape) String() string {
	switch s {
	case externalName:
		return "ExternalName"
	case nodePort:
		return "NodePort"
	case loadBalancer:
		return "LoadBalancer"
	}
	return "ClusterIP"
}

type port struct {
	name                 string
	number, target, node int
	protocol             string // TCP if empty
}

func (p port) transport() string {
	if p.protocol == "" {
		return "TCP"
	}
	return p.protocol
}

type ingress struct {
	ip       netip.Addr
	hostname string
	mode     string // VIP if empty
}

type service struct {
	number          int
	namespace, name string
	shape           shape
	clusterIP       netip.Addr
	external        []netip.Addr
	ports           []port
	class           string
	request         netip.Addr // by MetalLB's annotation
	shareKey        string
	pool            string // the address in the status is from
	ingress         []ingress
	pinned          bool // the manifest names the ClusterIP
	workload        int  // that it selects; 0 none
}

func (s *service) object() string { return "Service " + s.namespace + "/" + s.name }

// writer is who set the spec, as managedFields tell.
func (f *Cluster) writer(s *service) string {
	return [...]string{"helm", "kubectl-client-side-apply", "kubectl-edit", "argocd-controller"}[f.draw(forService, s.number)>>32%4]
}

func (f *Cluster) writeService(p *page, i int) {
	s := &f.services[i]
	p.open('{')
	p.str("apiVersion", "v1")
	p.str("kind", "Service")
	p.object("metadata")
	f.serviceAnnotations(p, s)
	p.str("creationTimestamp", f.created(forService, i))
	f.serviceLabels(p, s)
	f.serviceManagers(p, s)
	p.str("name", s.name)
	p.str("namespace", s.namespace)
	p.str("resourceVersion", f.version(forService, i))
	p.str("uid", f.uid(forService, i))
	p.close('}')
	f.serviceSpec(p, s)
	serviceStatus(p, s)
	p.close('}')
}

func (f *Cluster) serviceAnnotations(p *page, s *service) {
	applied := f.writer(s) == "kubectl-client-side-apply" && s.number >= systemServices && s.shape != externalName
	if !applied && s.shareKey == "" && s.pool == "" && !s.request.IsValid() {
		return
	}
	p.object("annotations")
	if applied {
		p.str("kubectl.kubernetes.io/last-applied-configuration", f.lastApplied(s))
	}
	if s.shareKey != "" {
		p.str("metallb.io/allow-shared-ip", s.shareKey)
	}
	if s.pool != "" {
		p.str("metallb.io/ip-allocated-from-pool", s.pool)
	}
	if s.request.IsValid() {
		p.addr("metallb.io/loadBalancerIPs", s.request)
	}
	p.close('}')
}

// lastApplied repeats the addresses as text inside a string, where they are no
// claim.
func (f *Cluster) lastApplied(s *service) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"apiVersion":"v1","kind":"Service","metadata":{"annotations":{},"name":%q,"namespace":%q},"spec":{`, s.name, s.namespace)
	if len(s.external) > 0 {
		b.WriteString(`"externalIPs":[`)
		for n, a := range s.external {
			if n > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%q", a)
		}
		b.WriteString(`],`)
	}
	b.WriteString(`"ports":[`)
	for n, each := range s.ports {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":%q,"port":%d,"targetPort":%d}`, each.name, each.number, each.target)
	}
	fmt.Fprintf(&b, `],"selector":{"app.kubernetes.io/name":%q},"type":%q}}`+"\n", s.name, s.shape)
	return b.String()
}

func (f *Cluster) serviceLabels(p *page, s *service) {
	p.object("labels")
	switch s.number {
	case 0:
		p.str("component", "apiserver")
		p.str("provider", "kubernetes")
	case 1:
		p.str("k8s-app", "kube-dns")
		p.str("kubernetes.io/cluster-service", "true")
		p.str("kubernetes.io/name", "CoreDNS")
	default:
		p.str("app.kubernetes.io/instance", s.name)
		p.str("app.kubernetes.io/managed-by", "Helm")
		p.str("app.kubernetes.io/name", s.name)
	}
	p.close('}')
}

func (f *Cluster) serviceManagers(p *page, s *service) {
	p.array("managedFields")
	when := f.created(forService, s.number)
	leaves := []string{"f:ports", "f:selector", "f:type"}
	if len(s.external) > 0 {
		leaves = append([]string{"f:externalIPs"}, leaves...)
	}
	managed(p, f.writer(s), when, "f:spec", leaves...)
	if len(s.ingress) > 0 {
		managed(p, "controller", when, "f:status", "f:loadBalancer")
	}
	p.close(']')
}

// managed writes one element of managedFields.
func managed(p *page, manager, when, top string, leaves ...string) {
	p.item()
	p.open('{')
	p.str("apiVersion", "v1")
	p.str("fieldsType", "FieldsV1")
	p.object("fieldsV1")
	p.object(top)
	for _, leaf := range leaves {
		p.object(leaf)
		p.close('}')
	}
	p.close('}')
	p.close('}')
	p.str("manager", manager)
	p.str("operation", "Update")
	if top == "f:status" {
		p.str("subresource", "status")
	}
	p.str("time", when)
	p.close('}')
}

func (f *Cluster) serviceSpec(p *page, s *service) {
	p.object("spec")
	if s.shape == externalName {
		p.str("externalName", s.name+".example.net")
		p.str("sessionAffinity", "None")
		p.str("type", s.shape.String())
		p.close('}')
		return
	}
	if s.shape == loadBalancer {
		p.flag("allocateLoadBalancerNodePorts", s.ports[0].node != 0)
	}
	cluster := "None"
	if s.clusterIP.IsValid() {
		cluster = s.clusterIP.String()
	}
	p.str("clusterIP", cluster)
	p.strs("clusterIPs", cluster)
	if len(s.external) > 0 {
		p.addrs("externalIPs", s.external)
	}
	if len(s.external) > 0 || s.shape == nodePort || s.shape == loadBalancer {
		p.str("externalTrafficPolicy", "Cluster")
	}
	p.str("internalTrafficPolicy", "Cluster")
	p.strs("ipFamilies", "IPv4")
	p.str("ipFamilyPolicy", "SingleStack")
	if s.class != "" {
		p.str("loadBalancerClass", s.class)
	}
	servicePorts(p, s.ports)
	f.serviceSelector(p, s)
	p.str("sessionAffinity", "None")
	p.str("type", s.shape.String())
	p.close('}')
}

func servicePorts(p *page, ports []port) {
	p.array("ports")
	for _, each := range ports {
		p.item()
		p.open('{')
		p.str("name", each.name)
		if each.node != 0 {
			p.num("nodePort", each.node)
		}
		p.num("port", each.number)
		p.str("protocol", each.transport())
		p.num("targetPort", each.target)
		p.close('}')
	}
	p.close(']')
}

func (f *Cluster) serviceSelector(p *page, s *service) {
	if s.number == 0 {
		return // the API server keeps the endpoints of its own Service
	}
	p.object("selector")
	p.str("app.kubernetes.io/name", f.workloads[s.workload].name)
	p.close('}')
}

func serviceStatus(p *page, s *service) {
	p.object("status")
	p.object("loadBalancer")
	if len(s.ingress) > 0 {
		p.array("ingress")
		for _, in := range s.ingress {
			p.item()
			p.open('{')
			if in.hostname != "" {
				p.str("hostname", in.hostname)
			} else {
				p.addr("ip", in.ip)
				p.str("ipMode", in.ipMode())
			}
			p.close('}')
		}
		p.close(']')
	}
	p.close('}')
	p.close('}')
}

func (in ingress) ipMode() string {
	if in.mode == "" {
		return "VIP"
	}
	return in.mode
}
