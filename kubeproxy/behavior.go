// SPDX-License-Identifier: Apache-2.0

package kubeproxy

import "whohas/dataplane"

// Behavior is what a service proxy of a certain mode and version does with an external
// address of a Service.
type Behavior struct {
	Name string
	// Binds: every node that does not own the address puts it on a dummy device
	// and so takes all its ports.
	Binds bool
	// OwnerBinds: the rightful owner puts it there as well.
	OwnerBinds bool
	// Filter: nodes reject new connections to bound addresses on other ports than
	// the Service's, ICMP echo too.
	Filter bool
	// PodsOnly: host processes are not captured, only Pods and traffic from
	// outside are.
	PodsOnly bool
	// AtOwner: the service port is taken only where the address really is.
	AtOwner bool
	Device  string
	Source  string // where this is known from
	Assumed bool   // mode or version had to be assumed
}

const proxier = "kubernetes pkg/proxy/ipvs/proxier.go syncProxyRules"

// The behaviors of kube-proxy, as read in its sources and run in the lab.
var (
	ipvsUnbound = Behavior{Name: "ipvs, kube-proxy up to 1.10", Device: IPVSDevice,
		Source: "kubernetes 1.10 pkg/proxy/ipvs/proxier.go: external addresses are synced without binding them"}
	ipvsOpen = Behavior{Name: "ipvs, kube-proxy 1.11 to 1.25", Binds: true, OwnerBinds: true, Device: IPVSDevice,
		Source: proxier + " (1.11 to 1.25): every external address is bound on every node, the owner included; seen with 1.25.9"}
	ipvsFilterAll = Behavior{Name: "ipvs, kube-proxy 1.26 to 1.27.2", Binds: true, OwnerBinds: true, Filter: true, Device: IPVSDevice,
		Source: proxier + " (1.26 to 1.27.2): bound on every node, and " + FilterChain + " rejects other ports (kubernetes#117613)"}
	ipvsToday = Behavior{Name: "ipvs, kube-proxy 1.27.3 or newer", Binds: true, Filter: true, Device: IPVSDevice,
		Source: proxier + " (1.27.3 and newer): shouldBind is false only where the address is on another device of the node; seen with 1.36.3"}
	kubeRouter = Behavior{Name: "kube-router", Binds: true, OwnerBinds: true, Filter: true, Device: RouterDevice,
		Source: "kube-router pkg/controllers/proxy setupExternalIPForService: bound on " + RouterDevice + " of every node"}
	natNow = Behavior{Name: "address translation of the service port", Source: "kubernetes pkg/proxy/iptables and pkg/proxy/nftables: rules match address, protocol and port"}
	natOld = Behavior{Name: "iptables, kube-proxy up to 1.20", PodsOnly: true,
		Source: "kubernetes 1.20 pkg/proxy/iptables/proxier.go: the rule needs a source that is not local or a destination that is"}
	ebpf = Behavior{Name: "eBPF service map", AtOwner: true,
		Source: "cilium bpf/bpf_sock.c sock4_skip_xlate: an externalIP is translated for host processes only where it is the node's own"}
)

// BehaviorOf reports what a proxy does. An unknown mode counts as ipvs, an unknown version
// as today's; Assumed says so. router is kube-router's IPVS.
func BehaviorOf(mode dataplane.ProxyMode, v Version, router bool) Behavior {
	known := v != Version{}
	switch mode {
	case dataplane.EBPF:
		return ebpf
	case dataplane.NFTables:
		return natNow
	case dataplane.IPTables:
		if known && !v.AtLeast(1, 21, 0) {
			return natOld
		}
		return natNow
	}
	b := ipvs(v, router)
	b.Assumed = mode == dataplane.ModeUnknown || !known && !router
	return b
}

func ipvs(v Version, router bool) Behavior {
	switch {
	case router:
		return kubeRouter
	case v == Version{} || v.AtLeast(1, 27, 3):
		return ipvsToday
	case v.AtLeast(1, 26, 0):
		return ipvsFilterAll
	case v.AtLeast(1, 11, 0):
		return ipvsOpen
	}
	return ipvsUnbound
}
