// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"strings"

	"whohas/snapshot"
)

// Encapsulation is how a CNI carries Pod traffic between nodes.
type Encapsulation string

// The encapsulations. The zero value is unknown.
const (
	IPIP      Encapsulation = "ipip"
	VXLAN     Encapsulation = "vxlan"
	WireGuard Encapsulation = "wireguard"
	Unencap   Encapsulation = "none"
)

// CNI is the network plugin as far as objects show it.
type CNI struct {
	Name  string // "calico", "cilium", "flannel"; "" unknown
	Encap Encapsulation
	BGP   bool // nodes peer over BGP
}

// cniDaemons are the DaemonSets that name their CNI.
var cniDaemons = map[string]string{
	"calico-node": "calico", "cilium": "cilium", "kube-flannel-ds": "flannel", "kube-flannel": "flannel",
	"canal": "canal", "rke2-canal": "canal", "kube-router": "kube-router", "weave-net": "weave",
	"antrea-agent": "antrea", "kindnet": "kindnet", "aws-node": "aws-vpc-cni", "ovnkube-node": "ovn-kubernetes",
}

func (f *Facts) cni(s *snapshot.Snapshot) {
	switch {
	case f.calico(s), f.flannel(s), f.cniFromDaemons(s), f.cniFromHosts(s):
	default:
		f.conclude("cni", "unknown", "no network plugin among what was read", snapshot.Origin{})
	}
}

// calico: an IPPool's modes say how its Pods are carried; Calico peers over BGP
// unless its backend is vxlan (calico-config calico_backend; node-to-node mesh
// is the default of BGPConfiguration).
func (f *Facts) calico(s *snapshot.Snapshot) bool {
	pools := append(s.Kind(ipPool), s.Kind(ipPoolV3)...)
	for _, o := range pools {
		if o.Field("spec", "disabled").Is() {
			continue
		}
		f.CNI = CNI{Name: "calico", Encap: Unencap, BGP: true}
		at := o.Field("spec")
		switch {
		case enabled(o.Field("spec", "ipipMode").Text()):
			f.CNI.Encap, at = IPIP, o.Field("spec", "ipipMode")
		case enabled(o.Field("spec", "vxlanMode").Text()):
			f.CNI.Encap, f.CNI.BGP, at = VXLAN, false, o.Field("spec", "vxlanMode")
		}
		f.conclude("cni", "calico ("+string(f.CNI.Encap)+")", o.Ref.String(), at.Origin())
		return true
	}
	return false
}

func enabled(mode string) bool { return mode == "Always" || mode == "CrossSubnet" }

func (f *Facts) flannel(s *snapshot.Snapshot) bool {
	for _, ns := range []string{"kube-flannel", "kube-system"} {
		o := s.First(ConfigMapKind.Ref(ns, "kube-flannel-cfg"))
		if o == nil {
			continue
		}
		at := o.Field("data", "net-conf.json", "Backend", "Type")
		f.setFlannel(at.Text(), o.Ref.String(), at.Origin())
		return true
	}
	for _, o := range s.Kind(NodeKind) {
		if at := o.Annotation("flannel.alpha.coreos.com/backend-type"); at.OK() {
			f.setFlannel(at.Text(), o.Ref.String(), at.Origin())
			return true
		}
	}
	return false
}

func (f *Facts) setFlannel(backend, from string, at snapshot.Origin) {
	f.CNI = CNI{Name: "flannel"}
	switch strings.ToLower(backend) {
	case "vxlan":
		f.CNI.Encap = VXLAN
	case "wireguard", "wireguard-native":
		f.CNI.Encap = WireGuard
	case "host-gw":
		f.CNI.Encap = Unencap
	case "ipip":
		f.CNI.Encap = IPIP
	}
	f.conclude("cni", "flannel ("+strings.ToLower(backend)+")", from, at)
}

func (f *Facts) cniFromDaemons(s *snapshot.Snapshot) bool {
	for _, o := range s.Kind(DaemonSetKind) {
		name, ok := cniDaemons[o.Ref.Name]
		if !ok {
			continue
		}
		f.CNI = CNI{Name: name, BGP: name == "calico" || name == "kube-router"}
		f.conclude("cni", name, o.Ref.String(), o.Origin())
		return true
	}
	return f.cniFromNodes(s)
}

func (f *Facts) cniFromNodes(s *snapshot.Snapshot) bool {
	for _, o := range s.Kind(NodeKind) {
		if at := o.Annotation("projectcalico.org/IPv4Address"); at.OK() {
			f.CNI = CNI{Name: "calico", BGP: true}
			f.conclude("cni", "calico", o.Ref.String(), at.Origin())
			return true
		}
	}
	if o := s.Kind(ciliumNode); len(o) > 0 {
		f.CNI = CNI{Name: "cilium"}
		f.conclude("cni", "cilium", o[0].Ref.String(), o[0].Origin())
		return true
	}
	return false
}
