// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"strings"
	"testing"

	"whohas/claim"
)

var calicoScenes = []scene{
	{"for Pods, also one that is disabled", "calico.ipPool", calicoPools, []string{
		"podrange 10.244.0.0/16 for IPPool pods",
		"podrange 10.245.0.0/16 for IPPool old",
		"podrange 10.246.0.0/24 for IPPool tunnels",
	}},
	{"for load balancers", "calico.ipPool", calicoServicePools, nil},
	{"for Pods", "calico.crd.ipPool", asStored(calicoPools), []string{
		"podrange 10.244.0.0/16 for IPPool pods",
		"podrange 10.245.0.0/16 for IPPool old",
		"podrange 10.246.0.0/24 for IPPool tunnels",
	}},
	{"for load balancers", "calico.crd.ipPool", asStored(calicoServicePools), nil},
	{"enabled", "calico.loadBalancerPool", calicoServicePools, []string{"pool 10.0.50.0/24 by calico for IPPool lb"}},
	{"for Pods", "calico.loadBalancerPool", calicoPools, nil},
	{"enabled", "calico.crd.loadBalancerPool", asStored(calicoServicePools), []string{"pool 10.0.50.0/24 by calico for IPPool lb"}},
	{"for Pods", "calico.crd.loadBalancerPool", asStored(calicoPools), nil},

	{"a JSON array", "calico.loadBalancerIPs", calicoService(`'["10.0.50.1", "fd00:50::1"]'`), []string{
		"request 10.0.50.1 by calico for Service default/web", "request fd00:50::1 by calico for Service default/web",
	}},
	{"no JSON array: Calico ignores it", "calico.loadBalancerIPs", calicoService("10.0.50.1"), []string{
		`request invalid range "10.0.50.1" by calico for Service default/web`,
	}},
	{"no array of strings", "calico.loadBalancerIPs", calicoService(`'["10.0.50.1", 2]'`), []string{
		`request invalid range "[\"10.0.50.1\", 2]" by calico for Service default/web`,
	}},
	{"empty", "calico.loadBalancerIPs", calicoService("'[]'"), nil},
	{"of another type", "calico.loadBalancerIPs", strings.Replace(calicoService(`'["10.0.50.1"]'`), "LoadBalancer}", "NodePort}", 1), nil},

	{"with its subnet", "calico.nodeIP", calicoNodeText, []string{"host 192.168.10.114 for Node n1", "host fd00:10::114 for Node n1"}},
	{"none", "calico.nodeIP", bareNodeText, nil},
	{"all devices", "calico.tunnelAddr", calicoNodeText, []string{
		"tunnel 10.244.1.0 for Node n1", "tunnel 10.244.1.1 for Node n1", "tunnel 10.244.1.2 for Node n1",
		"tunnel fd00:244::1 for Node n1", "tunnel fd00:244::2 for Node n1",
	}},
	{"not yet", "calico.tunnelAddr", `
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations: {projectcalico.org/IPv4IPIPTunnelAddr: "", projectcalico.org/IPv4Address: 192.168.10.114/24}
`, nil},

	{"under the cluster's name for it", "calico.node.nodeIP", calicoNodeObject, []string{"host 192.168.10.114 for Node n1", "host fd00:10::114 for Node n1"}},
	{"policy only", "calico.node.nodeIP", bareCalicoNodeObject, nil},
	{"all devices", "calico.node.tunnelAddr", calicoNodeObject, []string{
		"tunnel 10.244.1.0 for Node n1", "tunnel 10.244.1.1 for Node n1", "tunnel 10.244.1.2 for Node n1",
	}},
	{"policy only", "calico.node.tunnelAddr", bareCalicoNodeObject, nil},

	{"with a port or without", "calico.bgpPeer", calicoPeers, []string{
		"reserved 10.0.0.253 for BGPPeer tor2", "reserved 10.0.0.254 for BGPPeer tor1", "reserved fd00::fe for BGPPeer tor3",
	}},
	{"a selector", "calico.bgpPeer", calicoSelectedPeer, nil},
	{"with a port or without", "calico.crd.bgpPeer", asStored(calicoPeers), []string{
		"reserved 10.0.0.253 for BGPPeer tor2", "reserved 10.0.0.254 for BGPPeer tor1", "reserved fd00::fe for BGPPeer tor3",
	}},
	{"a selector", "calico.crd.bgpPeer", asStored(calicoSelectedPeer), nil},
}

func asStored(text string) string {
	return strings.ReplaceAll(text, "apiVersion: projectcalico.org/v3", "apiVersion: crd.projectcalico.org/v1")
}

func calicoService(annotation string) string {
	return `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations:
    projectcalico.org/loadBalancerIPs: ` + annotation + `
spec: {type: LoadBalancer}
`
}

const calicoPools = `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.244.0.0/16, ipipMode: Always}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: old}
spec: {cidr: 10.245.0.0/16, disabled: true, allowedUses: [Workload, Tunnel]}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: tunnels}
spec: {cidr: 10.246.0.0/24, allowedUses: [Tunnel]}
`

const calicoServicePools = `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: lb}
spec: {cidr: 10.0.50.0/24, allowedUses: [LoadBalancer], assignmentMode: Manual}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: off}
spec: {cidr: 10.0.51.0/24, allowedUses: [LoadBalancer], disabled: true}
`

const calicoNodeText = `
apiVersion: v1
kind: Node
metadata:
  name: n1
  annotations:
    projectcalico.org/IPv4Address: 192.168.10.114/24
    projectcalico.org/IPv6Address: fd00:10::114/64
    projectcalico.org/IPv4IPIPTunnelAddr: 10.244.1.0
    projectcalico.org/IPv4VXLANTunnelAddr: 10.244.1.1
    projectcalico.org/IPv6VXLANTunnelAddr: fd00:244::1
    projectcalico.org/IPv4WireguardInterfaceAddr: 10.244.1.2
    projectcalico.org/IPv6WireguardInterfaceAddr: fd00:244::2
`

const calicoNodeObject = `
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: host-1}
spec:
  bgp: {ipv4Address: 192.168.10.114/24, ipv6Address: "fd00:10::114/64", ipv4IPIPTunnelAddr: 10.244.1.0}
  ipv4VXLANTunnelAddr: 10.244.1.1
  wireguard: {interfaceIPv4Address: 10.244.1.2}
  orchRefs: [{orchestrator: openstack, nodeName: compute-1}, {orchestrator: k8s, nodeName: n1}]
`

const bareCalicoNodeObject = `
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: n1}
spec: {addresses: [{type: InternalIP, address: 10.0.0.1}]}
`

const calicoPeers = `
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor1}
spec: {peerIP: 10.0.0.254, asNumber: 64567}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor2}
spec: {peerIP: "10.0.0.253:1790", asNumber: 64567}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor3}
spec: {peerIP: "[fd00::fe]:1790", asNumber: 64567}
`

const calicoSelectedPeer = `
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: reflectors}
spec: {nodeSelector: all(), peerSelector: has(reflector)}
`

// The same pool, read from the store and from Calico's own API, is one owner.
func TestCalicoPoolReadTwiceIsOne(t *testing.T) {
	claims := claimed(t, calicoServicePools+"---"+asStored(calicoServicePools))
	if len(claims) != 2 || !claim.SameOwner(claims[0], claims[1]) || claims[0].By == claims[1].By {
		t.Errorf("two readings of one pool: %v", claims)
	}
}
