// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"slices"

	"whohas/dataplane"
	"whohas/snapshot"
)

// toldEndpoints finds where hosts themselves were told that the apiserver is, for a
// world without objects: a host in the outage has nobody to ask but its own files.
func (f *Facts) toldEndpoints(s *snapshot.Snapshot) {
	for i := range s.Hosts {
		for _, w := range s.Hosts[i].Configured {
			if w.What == "apiserver" && (w.For == "kubelet" || w.For == "kube-proxy") {
				f.addTold(s.Hosts[i].Name, w)
			}
		}
	}
	if len(f.APIBackends) > 0 {
		return
	}
	for i := range s.Hosts {
		for _, w := range s.Hosts[i].Configured {
			// What a proxy on the node itself leads to: the distribution's list of apiservers.
			if w.What == "apiserver" && w.IP.IsValid() && !w.IP.IsLoopback() && !slices.Contains(f.APIBackends, w.IP) {
				f.APIBackends = append(f.APIBackends, w.IP)
			}
		}
	}
}

func (f *Facts) addTold(host string, w dataplane.ConfiguredServer) {
	e := Endpoint{Host: w.Host, Port: w.Port, From: fmt.Sprintf("host %s: %s", host, w.File)}
	if w.IP.IsValid() {
		e.IP, e.Host = w.IP, ""
	}
	f.addEndpoint(e)
}

// cniFromHosts concludes from what network plugins make in kernels.
func (f *Facts) cniFromHosts(s *snapshot.Snapshot) bool {
	for i := range s.Hosts {
		if f.cniFromHost(&s.Hosts[i]) {
			return true
		}
	}
	return false
}

func (f *Facts) cniFromHost(h *dataplane.Host) bool {
	from := func(sign string) string { return "host " + h.Name + ": " + sign }
	through := func(kind string) bool { return routesThrough(h, kind) }
	device := func(name string) bool {
		return slices.ContainsFunc(h.Links, func(l dataplane.Link) bool { return l.Name == name })
	}
	bgp := len(h.Sessions) > 0
	switch {
	case device("cilium_host"):
		f.CNI = CNI{Name: "cilium"}
		f.conclude("cni", "cilium", from("device cilium_host"), snapshot.Origin{})
	case device("flannel.1"):
		f.setFlannel("vxlan", from("device flannel.1"), snapshot.Origin{})
	case device("vxlan.calico"):
		f.CNI = CNI{Name: "calico", Encap: VXLAN, BGP: bgp}
		f.conclude("cni", "calico (vxlan)", from("device vxlan.calico"), snapshot.Origin{})
	case bgp && (through("ipip") || addressed(h, "tunl0")):
		f.CNI = CNI{Name: "calico", Encap: IPIP, BGP: true}
		f.conclude("cni", "calico (ipip)", from("BGP sessions and tunl0"), snapshot.Origin{})
	case bgp:
		f.CNI = CNI{BGP: true}
		f.conclude("cni", "unknown (bgp)", from("BGP sessions"), snapshot.Origin{})
	default:
		return false
	}
	return true
}

func addressed(h *dataplane.Host, link string) bool {
	return slices.ContainsFunc(h.Addresses, func(a dataplane.Address) bool { return a.Link == link })
}

func routesThrough(h *dataplane.Host, kind string) bool {
	return slices.ContainsFunc(h.Routes, func(r dataplane.Route) bool {
		return slices.ContainsFunc(h.Links, func(l dataplane.Link) bool { return l.Name == r.Link && l.Kind == kind && r.Type == "unicast" })
	})
}
