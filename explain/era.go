// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strconv"

	"whohas/cluster"
	"whohas/dataplane"
)

// Era is what a service proxy of a certain mode and version does with an
// external address of a Service.
type Era struct {
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

// The eras of kube-proxy, as semantics read in its sources and run in the lab.
var (
	ipvsUnbound = Era{Name: "ipvs, kube-proxy up to 1.10", Device: "kube-ipvs0",
		Source: "kubernetes 1.10 pkg/proxy/ipvs/proxier.go: external addresses are synced without binding them"}
	ipvsOpen = Era{Name: "ipvs, kube-proxy 1.11 to 1.25", Binds: true, OwnerBinds: true, Device: "kube-ipvs0",
		Source: proxier + " (1.11 to 1.25): every external address is bound on every node, the owner included; seen with 1.25.9"}
	ipvsFilterAll = Era{Name: "ipvs, kube-proxy 1.26 to 1.27.2", Binds: true, OwnerBinds: true, Filter: true, Device: "kube-ipvs0",
		Source: proxier + " (1.26 to 1.27.2): bound on every node, and KUBE-IPVS-FILTER rejects other ports (kubernetes#117613)"}
	ipvsToday = Era{Name: "ipvs, kube-proxy 1.27.3 or newer", Binds: true, Filter: true, Device: "kube-ipvs0",
		Source: proxier + " (1.27.3 and newer): shouldBind is false only where the address is on another device of the node; seen with 1.36.3"}
	kubeRouter = Era{Name: "kube-router", Binds: true, OwnerBinds: true, Filter: true, Device: "kube-dummy-if",
		Source: "kube-router pkg/controllers/proxy setupExternalIPForService: bound on kube-dummy-if of every node"}
	natNow = Era{Name: "address translation of the service port", Source: "kubernetes pkg/proxy/iptables and pkg/proxy/nftables: rules match address, protocol and port"}
	natOld = Era{Name: "iptables, kube-proxy up to 1.20", PodsOnly: true,
		Source: "kubernetes 1.20 pkg/proxy/iptables/proxier.go: the rule needs a source that is not local or a destination that is"}
	ebpfEra = Era{Name: "eBPF service map", AtOwner: true,
		Source: "cilium bpf/bpf_sock.c sock4_skip_xlate: an externalIP is translated for host processes only where it is the node's own"}
)

// EraOf tells what the cluster's service proxy does. An unknown mode counts as
// ipvs, an unknown version as today's; Assumed says so.
func EraOf(f *cluster.Facts) Era {
	switch f.Mode {
	case dataplane.EBPF:
		return ebpfEra
	case dataplane.NFTables:
		return natNow
	case dataplane.IPTables:
		if known(f) && !f.Version.AtLeast(1, 21, 0) {
			return natOld
		}
		return natNow
	}
	era := ipvsEra(f)
	era.Assumed = f.Mode == dataplane.ModeUnknown || !known(f) && !f.KubeRouter
	return era
}

func ipvsEra(f *cluster.Facts) Era {
	v := f.Version
	switch {
	case f.KubeRouter:
		return kubeRouter
	case !known(f) || v.AtLeast(1, 28, 0) || v.AtLeast(1, 27, 3):
		return ipvsToday
	case v.AtLeast(1, 26, 0):
		return ipvsFilterAll
	case v.AtLeast(1, 11, 0):
		return ipvsOpen
	}
	return ipvsUnbound
}

func known(f *cluster.Facts) bool { return f.Version != cluster.Version{} }

func itoa(n int) string { return strconv.Itoa(n) }
