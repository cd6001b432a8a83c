// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/cluster"
	"whohas/snapshot"
)

// calicoNodeKind is what calicoctl prints, made of a Node's annotations or, with
// etcd, stored so (calico libcalico-go/lib/apis/internalapi/node.go, v3.32). No
// apiserver serves it: it comes from files.
var calicoNodeKind = snapshot.Kind{Group: calicoGroup, Kind: "Node", Resource: "nodes"}

var calicoNodeReferences = []string{"spec.orchRefs[].nodeName", "spec.orchRefs[].orchestrator"}

// CalicoObjectNodeIP is a node's own address in Calico's own Node.
var CalicoObjectNodeIP = add(Claimant{
	Kind:   "calico.node.nodeIP",
	Role:   claim.Host,
	Doc:    "`spec.bgp.ipv4Address` and `ipv6Address` of a Calico Node, as calicoctl prints it: the node's own addresses.",
	Of:     calicoNodeKind,
	Fields: append([]string{"spec.bgp.ipv4Address", "spec.bgp.ipv6Address"}, calicoNodeReferences...),
	Object: func(o *snapshot.Object, yield Yield) {
		bgp := o.Field("spec", "bgp")
		yieldCalicoNode(o, yield, bgp.Get("ipv4Address"), bgp.Get("ipv6Address"))
	},
})

// CalicoObjectTunnel is the address of a tunnel device in Calico's own Node.
var CalicoObjectTunnel = add(Claimant{
	Kind: "calico.node.tunnelAddr",
	Role: claim.Tunnel,
	Doc:  "The IPIP, VXLAN and WireGuard addresses of a Calico Node, as calicoctl prints it: the addresses of its tunnel devices.",
	Of:   calicoNodeKind,
	Fields: append([]string{
		"spec.bgp.ipv4IPIPTunnelAddr", "spec.ipv4VXLANTunnelAddr", "spec.ipv6VXLANTunnelAddr",
		"spec.wireguard.interfaceIPv4Address", "spec.wireguard.interfaceIPv6Address",
	}, calicoNodeReferences...),
	Object: func(o *snapshot.Object, yield Yield) {
		spec := o.Field("spec")
		yieldCalicoNode(o, yield, spec.Get("bgp", "ipv4IPIPTunnelAddr"),
			spec.Get("ipv4VXLANTunnelAddr"), spec.Get("ipv6VXLANTunnelAddr"),
			spec.Get("wireguard", "interfaceIPv4Address"), spec.Get("wireguard", "interfaceIPv6Address"))
	},
})

func yieldCalicoNode(o *snapshot.Object, yield Yield, fields ...snapshot.Field) {
	owner := kubernetesNode(o)
	for _, f := range fields {
		if given(f) {
			yieldHost(f, func(c claim.Claim) {
				c.Owner = owner
				yield(c)
			})
		}
	}
}

// kubernetesNode is the cluster's Node that a Calico Node stands for.
func kubernetesNode(o *snapshot.Object) snapshot.Ref {
	for r := range o.Field("spec", "orchRefs").Items() {
		if r.Get("orchestrator").Text() == "k8s" && given(r.Get("nodeName")) {
			return cluster.NodeKind.Ref("", r.Get("nodeName").Text())
		}
	}
	return cluster.NodeKind.Ref("", o.Ref.Name)
}
