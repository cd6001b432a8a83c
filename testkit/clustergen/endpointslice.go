// SPDX-License-Identifier: Apache-2.0

package clustergen

import "net/netip"

// endpointSlice is a part of the Pods that a Service selects.
type endpointSlice struct {
	service  int
	from, to int // of the workload's Pods
}

// laySlices spreads the slices that are asked for over the Services; if there
// are fewer than Services, the last ones go without.
func (b *builder) laySlices() {
	selecting := []int{0}
	for i := range b.services {
		if i > 0 && b.services[i].workload != 0 {
			selecting = append(selecting, i)
		}
	}
	left := b.size.EndpointSlices
	for n, i := range selecting {
		parts := left / (len(selecting) - n)
		if n == 0 {
			parts = min(1, left) // the API server keeps one
		} else if parts == 0 && left > 0 {
			parts = 1
		}
		left -= parts
		pods := b.workloads[b.services[i].workload].count
		for k := range parts {
			b.slices = append(b.slices, endpointSlice{service: i, from: pods * k / parts, to: pods * (k + 1) / parts})
		}
	}
}

func (f *Cluster) writeSlice(p *page, i int) {
	if i == 0 {
		f.writeAPIServerSlice(p)
		return
	}
	slice := f.slices[i]
	s := &f.services[slice.service]
	w := f.workloads[s.workload]
	p.open('{')
	p.str("addressType", "IPv4")
	p.str("apiVersion", "discovery.k8s.io/v1")
	f.endpoints(p, w, slice)
	p.str("kind", "EndpointSlice")
	p.object("metadata")
	p.object("annotations")
	p.str("endpoints.kubernetes.io/last-change-trigger-time", f.created(forSlice, i))
	p.close('}')
	p.str("creationTimestamp", f.created(forService, s.number))
	p.str("generateName", s.name+"-")
	p.num("generation", 1+int(f.draw(forSlice, i)>>40%50))
	p.object("labels")
	p.str("app.kubernetes.io/name", w.name)
	p.str("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io")
	p.str("kubernetes.io/service-name", s.name)
	if s.shape == headless {
		p.str("service.kubernetes.io/headless", "")
	}
	p.close('}')
	p.str("name", s.name+"-"+string(appendSuffix(nil, f.draw(forCluster, 1), i)))
	p.str("namespace", s.namespace)
	f.serviceOwner(p, s)
	p.str("resourceVersion", f.version(forSlice, i))
	p.str("uid", f.uid(forSlice, i))
	p.close('}')
	slicePorts(p, s.ports)
	p.close('}')
}

func (f *Cluster) serviceOwner(p *page, s *service) {
	p.array("ownerReferences")
	p.item()
	p.open('{')
	p.str("apiVersion", "v1")
	p.flag("blockOwnerDeletion", true)
	p.flag("controller", true)
	p.str("kind", "Service")
	p.str("name", s.name)
	p.str("uid", f.uid(forService, s.number))
	p.close('}')
	p.close(']')
}

func (f *Cluster) endpoints(p *page, w workload, slice endpointSlice) {
	if slice.from == slice.to {
		p.key("endpoints")
		p.buf = append(p.buf, "null"...) // as the API server shows an empty one
		return
	}
	p.array("endpoints")
	for k := slice.from; k < slice.to; k++ {
		pod := f.pod(w.first + k)
		p.item()
		p.open('{')
		p.addrs("addresses", []netip.Addr{pod.ip})
		ready(p)
		p.str("nodeName", f.nodeName(pod.node))
		p.object("targetRef")
		p.str("kind", "Pod")
		p.str("name", pod.name)
		p.str("namespace", w.namespace)
		p.str("uid", f.uid(forPod, pod.number))
		p.close('}')
		p.str("zone", zone(pod.node))
		p.close('}')
	}
	p.close(']')
}

func ready(p *page) {
	p.object("conditions")
	p.flag("ready", true)
	p.flag("serving", true)
	p.flag("terminating", false)
	p.close('}')
}

func slicePorts(p *page, ports []port) {
	p.array("ports")
	for _, each := range ports {
		p.item()
		p.open('{')
		p.str("name", each.name)
		p.num("port", each.target)
		p.str("protocol", each.transport())
		p.close('}')
	}
	p.close(']')
}

// writeAPIServerSlice writes the one slice that no controller owns: the API
// servers keep it themselves.
func (f *Cluster) writeAPIServerSlice(p *page) {
	p.open('{')
	p.str("addressType", "IPv4")
	p.str("apiVersion", "discovery.k8s.io/v1")
	p.array("endpoints")
	for n := range f.size.controlPlanes() {
		p.item()
		p.open('{')
		p.addrs("addresses", []netip.Addr{nodeAddr(n)})
		p.object("conditions")
		p.flag("ready", true)
		p.close('}')
		p.close('}')
	}
	p.close(']')
	p.str("kind", "EndpointSlice")
	p.object("metadata")
	p.str("creationTimestamp", f.created(forService, 0))
	p.num("generation", 3)
	p.object("labels")
	p.str("kubernetes.io/service-name", "kubernetes")
	p.close('}')
	p.str("name", "kubernetes")
	p.str("namespace", "default")
	p.str("resourceVersion", f.version(forSlice, 0))
	p.str("uid", f.uid(forSlice, 0))
	p.close('}')
	slicePorts(p, []port{{name: "https", target: 6443}})
	p.close('}')
}
