// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// KubeVIPRequest is where kube-vip looks first for a Service's addresses
// (kube-vip pkg/instance/instance.go FetchServiceAddresses, v1.2.3).
// kube-vip-cloud-provider writes it as well.
var KubeVIPRequest = add(Claimant{
	Kind:   "kubevip.loadbalancerIPs",
	Role:   claim.Request,
	Doc:    "The annotation `kube-vip.io/loadbalancerIPs` of a Service: kube-vip puts these addresses on a node.",
	Of:     serviceKind,
	Fields: service(annotations("kube-vip.io/loadbalancerIPs")...),
	Object: kubeVIPRequested("kube-vip.io/loadbalancerIPs"),
})

// KubeVIPRequestedIP is what kube-vip's DHCP client asks the DHCP server for
// (kube-vip pkg/instance/instance.go, v1.2.3).
var KubeVIPRequestedIP = add(Claimant{
	Kind:   "kubevip.requestedIP",
	Role:   claim.Request,
	Doc:    "The annotation `kube-vip.io/requestedIP` of a Service: the address that kube-vip asks a DHCP server for.",
	Of:     serviceKind,
	Fields: service(annotations("kube-vip.io/requestedIP")...),
	Object: kubeVIPRequested("kube-vip.io/requestedIP"),
})

// asksDHCP reports whether a Service's address is kube-vip's word for "ask DHCP": it
// looks for these very texts in the annotation, else in the status, else in
// spec.loadBalancerIP (kube-vip pkg/instance/instance.go FetchServiceAddresses,
// initialize, v1.2.3). It is nobody's address then, and many Services may say it.
// MetalLB's and Cilium's annotations it does not read.
func asksDHCP(text string) bool { return text == "0.0.0.0" || text == "::" }

// kubeVIPRequested leaves out what is no address, which kube-vip takes for a
// name to resolve, and 0.0.0.0 and ::, which stand for DHCP.
func kubeVIPRequested(key string) func(*snapshot.Object, Yield) {
	return func(o *snapshot.Object, yield Yield) {
		if !isLoadBalancer(o) {
			return
		}
		of := commonOf(o)
		for _, f := range list(o.Annotation(key)) {
			if ip, _, err := snapshot.ParseAddr(f.Text()); err == nil && !ip.IsUnspecified() {
				yield(of(askedOf(f, AgentKubeVIP)))
			}
		}
	}
}
