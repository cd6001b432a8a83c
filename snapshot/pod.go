// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"net/netip"
	"strings"
)

// PodKind is the kind of a Pod.
var PodKind = Kind{Kind: "Pod", Resource: "pods", Namespaced: true}

// EndpointSliceKind is the kind of an EndpointSlice.
var EndpointSliceKind = Kind{Group: "discovery.k8s.io", Kind: "EndpointSlice", Resource: "endpointslices", Namespaced: true}

// EndpointsKind is the old form of an EndpointSlice, still found in dumps.
var EndpointsKind = Kind{Kind: "Endpoints", Resource: "endpoints", Namespaced: true}

// ownReads are the fields of the two kinds that a Snapshot holds typed, because
// there are too many of them for trees.
var ownReads = []Read{
	{Kind: PodKind, Fields: []string{
		"spec.nodeName", "spec.hostNetwork<bool>", "status.phase", "status.hostIP", "status.podIP", "status.podIPs[].ip",
		"spec.containers[].ports[].hostPort<int>", "spec.containers[].ports[].hostIP", "spec.containers[].ports[].protocol",
	}},
	{Kind: EndpointSliceKind, Fields: []string{
		"endpoints[].addresses[]", "endpoints[].targetRef.kind", "endpoints[].targetRef.namespace", "ports[].port<int>", "ports[].protocol",
		"metadata.labels.kubernetes.io/service-name", "metadata.labels.endpointslice.kubernetes.io/managed-by",
	}},
	{Kind: EndpointsKind, Names: []string{"default/kubernetes"}, Filed: true, Fields: []string{
		"subsets[].addresses[].ip", "subsets[].ports[].port<int>", "subsets[].ports[].protocol",
		"metadata.labels.endpoints.kubernetes.io/managed-by", "metadata.labels.endpointslice.kubernetes.io/skip-mirror",
		"metadata.annotations.control-plane.alpha.kubernetes.io/leader",
	}},
}

// Port is a port and its protocol: TCP, UDP or SCTP.
type Port struct {
	Proto  string
	Number uint16
}

// HostPort is a port that a Pod takes on its node: on the address that the
// container names, else on the node's own. An invalid IP means that neither is
// known.
type HostPort struct {
	Port
	IP netip.Addr
}

// Pod is a Pod, trimmed to what claims need.
type Pod struct {
	Namespace, Name string
	Node            string
	HostNetwork     bool
	Finished        bool // it succeeded or failed, and its addresses are free
	IPs             []netip.Addr
	HostPorts       []HostPort
	File            string
	Line            int // of the first address, else of the object
}

// Ref names the Pod.
func (p *Pod) Ref() Ref { return PodKind.Ref(p.Namespace, p.Name) }

// PodOf is a Pod, read from its tree.
func PodOf(o *Object) Pod {
	p := Pod{
		Namespace: o.Ref.Namespace, Name: o.Ref.Name, File: o.File, Line: o.Line,
		Node: o.Field("spec", "nodeName").Text(), HostNetwork: o.Field("spec", "hostNetwork").Is(),
	}
	phase := o.Field("status", "phase").Text()
	p.Finished = phase == "Succeeded" || phase == "Failed"
	p.addIPs(o)
	for c := range o.Field("spec", "containers").Items() {
		for f := range c.Get("ports").Items() {
			if n := f.Get("hostPort").Int(); n > 0 && n < 1<<16 {
				ip, _, _ := ParseAddr(f.Get("hostIP").Text())
				if !ip.IsValid() || ip.IsUnspecified() {
					ip, _, _ = ParseAddr(o.Field("status", "hostIP").Text())
				}
				p.HostPorts = append(p.HostPorts, HostPort{Port{protocol(f.Get("protocol").Text()), uint16(n)}, ip})
			}
		}
	}
	return p
}

func (p *Pod) addIPs(o *Object) {
	fields := []Field{o.Field("status", "podIP")}
	for f := range o.Field("status", "podIPs").Items() {
		fields = append(fields, f.Get("ip"))
	}
	for _, f := range fields {
		ip, _, err := ParseAddr(f.Text())
		if err != nil || len(p.IPs) > 0 && p.IPs[0] == ip {
			continue
		}
		if len(p.IPs) == 0 && f.Value.Line > 0 {
			p.Line = int(f.Value.Line)
		}
		p.IPs = append(p.IPs, ip)
	}
}

// protocol fills in the API's default.
func protocol(text string) string {
	if text == "" {
		return "TCP"
	}
	return strings.ToUpper(text)
}

// EndpointSlice is an EndpointSlice (or an Endpoints object), trimmed.
type EndpointSlice struct {
	Ref        Ref
	Service    string
	ManagedBy  string
	Controller Ref
	Addresses  []netip.Addr
	Ports      []Port
	File       string
	Line       int
	Created    string // as written
}

// SliceOf is an EndpointSlice or an Endpoints object, read from its tree.
func SliceOf(o *Object) EndpointSlice {
	s := EndpointSlice{
		Ref: o.Ref, File: o.File, Line: o.Line, Controller: o.Controller(),
		Service:   o.Label("kubernetes.io/service-name"),
		ManagedBy: o.Label("endpointslice.kubernetes.io/managed-by"),
		Created:   o.Field("metadata", "creationTimestamp").Text(),
	}
	if o.Ref.Kind == EndpointsKind.Kind {
		s.Service = o.Ref.Name
		s.ManagedBy = o.Label("endpoints.kubernetes.io/managed-by")
		if !s.mirrored(o) {
			s.Service = ""
		}
		s.addSubsets(o)
		return s
	}
	for e := range o.Field("endpoints").Items() {
		for a := range e.Get("addresses").Items() {
			s.addAddress(a)
		}
	}
	s.addPorts(o.Field("ports"))
	return s
}

// mirrored reports whether the control plane makes EndpointSlices of an Endpoints object,
// by which alone kube-proxy goes: not of locks, nor where the object says no (kubernetes
// pkg/controller/endpointslicemirroring shouldMirror, v1.34). The apiserver says no for
// default/kubernetes.
func (s *EndpointSlice) mirrored(o *Object) bool {
	return o.Ref.Namespace == "default" && o.Ref.Name == "kubernetes" ||
		o.Label("endpointslice.kubernetes.io/skip-mirror") != "true" && !o.Annotation("control-plane.alpha.kubernetes.io/leader").OK()
}

func (s *EndpointSlice) addSubsets(o *Object) {
	for sub := range o.Field("subsets").Items() {
		for a := range sub.Get("addresses").Items() {
			s.addAddress(a.Get("ip"))
		}
		s.addPorts(sub.Get("ports"))
	}
}

func (s *EndpointSlice) addAddress(f Field) {
	ip, _, err := ParseAddr(f.Text())
	if err != nil { // an FQDN slice
		return
	}
	if len(s.Addresses) == 0 && f.Value.Line > 0 {
		s.Line = int(f.Value.Line)
	}
	s.Addresses = append(s.Addresses, ip)
}

func (s *EndpointSlice) addPorts(f Field) {
	for p := range f.Items() {
		if n := p.Get("port").Int(); n > 0 && n < 1<<16 {
			s.Ports = append(s.Ports, Port{protocol(p.Get("protocol").Text()), uint16(n)})
		}
	}
}
