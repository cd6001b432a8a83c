// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"cmp"
	"sync"

	"whohas/claim"
	"whohas/cluster"
	"whohas/kubeproxy"
	"whohas/snapshot"
)

// serviceFields are what every claim of a Service needs beside its address.
var serviceFields = []string{
	"spec.type", "spec.clusterIP", "spec.ports[].port<int>", "spec.ports[].protocol", "spec.loadBalancerClass",
	"spec.externalTrafficPolicy", "spec.ipFamilies[]", "spec.selector.*",
	"metadata.labels." + kubeproxy.OtherProxyLabel,
	"metadata.labels.gateway.networking.k8s.io/gateway-name",
	"metadata.annotations.metallb.io/allow-shared-ip", "metadata.annotations.metallb.universe.tf/allow-shared-ip",
	"metadata.annotations.lbipam.cilium.io/sharing-key", "metadata.annotations.io.cilium/lb-ipam-sharing-key",
	"metadata.annotations.lbipam.cilium.io/sharing-cross-namespace",
	"metadata.annotations.io.cilium/lb-ipam-sharing-cross-namespace",
	"metadata.annotations.purelb.io/allow-shared-ip",
	"metadata.annotations.node-proxy.openelb.kubesphere.io/*",
	"metadata.annotations.metallb.io/ip-allocated-from-pool",
	"metadata.annotations.metallb.universe.tf/ip-allocated-from-pool",
}

func service(field ...string) []string { return append(field, serviceFields...) }

// servicePorts lists a Service's ports.
func servicePorts(o *snapshot.Object) claim.Ports {
	var ports claim.Ports
	for p := range o.Field("spec", "ports").Items() {
		n := p.Get("port").Int()
		if n <= 0 || n >= 1<<16 {
			continue
		}
		proto := p.Get("protocol").Text()
		if proto == "" {
			proto = "TCP"
		}
		ports = append(ports, snapshot.Port{Proto: proto, Number: uint16(n)})
	}
	return ports
}

// commonOf fills in what every claim of a Service has in common. That is read when the
// first one asks, and once: a Service may have a thousand addresses and a thousand ports.
func commonOf(o *snapshot.Object) func(claim.Claim) claim.Claim {
	common := sync.OnceValue(func() claim.Claim {
		return claim.Claim{Ports: servicePorts(o), Owner: serviceOwner(o), Share: sharingKey(o), Agent: serviceAgent(o)}
	})
	return func(c claim.Claim) claim.Claim {
		all := common()
		c.Ports, c.Owner, c.Share, c.Agent = all.Ports, all.Owner, all.Share, cmp.Or(c.Agent, all.Agent)
		return c
	}
}

// serviceOwner is the Gateway that a Service was generated for, else itself.
func serviceOwner(o *snapshot.Object) snapshot.Ref {
	if name := o.Label("gateway.networking.k8s.io/gateway-name"); name != "" {
		return gatewayKind.Ref(o.Ref.Namespace, name)
	}
	if c := o.Controller(); c.Kind == gatewayKind.Kind && c.Group == gatewayKind.Group {
		return c
	}
	return o.Ref
}

// sharingKey is the key under which a Service agrees to share its address: the
// same key of the same controller is an agreement. The prefix keeps one
// controller's keys apart from another's.
func sharingKey(o *snapshot.Object) string {
	for _, k := range []struct{ agent, key string }{
		{"metallb", "metallb.io/allow-shared-ip"},
		{"metallb", "metallb.universe.tf/allow-shared-ip"},
		{"cilium", "lbipam.cilium.io/sharing-key"},
		{"cilium", "io.cilium/lb-ipam-sharing-key"},
		{"purelb", "purelb.io/allow-shared-ip"},
	} {
		if v := o.Annotation(k.key).Text(); v != "" {
			return k.agent + ":" + v
		}
	}
	return ""
}

// Agents that publish node addresses as load-balancer addresses on purpose.
const (
	AgentCiliumNodeIPAM   = "cilium-node-ipam"
	AgentOpenELBNodeProxy = "openelb-node-proxy"
	// AgentOtherProxy: kube-proxy leaves the Service to another proxy (label
	// service.kubernetes.io/service-proxy-name).
	AgentOtherProxy = "other-proxy"
)

func serviceAgent(o *snapshot.Object) string {
	if o.Label(kubeproxy.OtherProxyLabel) != "" {
		return AgentOtherProxy
	}
	if o.Field("spec", "loadBalancerClass").Text() == "io.cilium/node" {
		return AgentCiliumNodeIPAM
	}
	for key := range o.Field("metadata", "annotations").Entries() {
		if len(key) > 11 && key[:11] == "node-proxy." {
			return AgentOpenELBNodeProxy
		}
	}
	return ""
}

// programmed reports whether kube-proxy puts a Service's external addresses into
// the data plane: not for headless and ExternalName Services (kubernetes
// pkg/proxy/util/utils.go ShouldSkipService).
func programmed(o *snapshot.Object) bool {
	return o.Field("spec", "clusterIP").Text() != "None" && o.Field("spec", "type").Text() != "ExternalName"
}

// ServiceKind is re-exported, because half of the claimants read Services.
var serviceKind = cluster.ServiceKind
