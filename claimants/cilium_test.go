// SPDX-License-Identifier: Apache-2.0

package claimants

var ciliumScenes = []scene{
	{"blocks", "cilium.pool", `
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: {name: blue}
spec:
  blocks:
  - cidr: 10.0.10.0/24
  - {start: 20.0.20.100, stop: 20.0.20.200}
  - start: 1.2.3.4
`, []string{
		"pool 1.2.3.4 by cilium for CiliumLoadBalancerIPPool blue",
		"pool 10.0.10.0/24 by cilium for CiliumLoadBalancerIPPool blue",
		"pool 20.0.20.100-20.0.20.200 by cilium for CiliumLoadBalancerIPPool blue",
	}},
	{"ends kept back", "cilium.pool", `
apiVersion: cilium.io/v2alpha1
kind: CiliumLoadBalancerIPPool
metadata: {name: blue}
spec:
  allowFirstLastIPs: "No"
  blocks: [{cidr: 10.0.10.0/24}, {cidr: 10.0.11.0/31}, {cidr: 10.0.12.1/32}, {start: 10.0.13.0, stop: 10.0.13.255}]
`, []string{
		`pool 10.0.10.1-10.0.10.254 "10.0.10.0/24" by cilium for CiliumLoadBalancerIPPool blue`,
		"pool 10.0.11.0/31 by cilium for CiliumLoadBalancerIPPool blue",
		`pool 10.0.12.1 "10.0.12.1/32" by cilium for CiliumLoadBalancerIPPool blue`,
		`pool 10.0.13.0/24 "10.0.13.0-10.0.13.255" by cilium for CiliumLoadBalancerIPPool blue`,
	}},
	{"the older field, whose default was No", "cilium.pool", `
apiVersion: cilium.io/v2alpha1
kind: CiliumLoadBalancerIPPool
metadata: {name: blue}
spec: {cidrs: [{cidr: 10.0.10.0/24}]}
---
apiVersion: cilium.io/v2alpha1
kind: CiliumLoadBalancerIPPool
metadata: {name: red}
spec: {allowFirstLastIPs: "Yes", cidrs: [{cidr: 10.0.11.0/24}]}
`, []string{
		`pool 10.0.10.1-10.0.10.254 "10.0.10.0/24" by cilium for CiliumLoadBalancerIPPool blue`,
		"pool 10.0.11.0/24 by cilium for CiliumLoadBalancerIPPool red",
	}},
	{"disabled", "cilium.pool", `
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: {name: blue}
spec: {disabled: true, blocks: [{cidr: 10.0.10.0/24}]}
`, nil},
	{"a stop alone", "cilium.pool", `
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: {name: blue}
spec: {blocks: [{stop: 10.0.10.9}]}
`, nil},

	{"a list", "cilium.ips", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {io.cilium/lb-ipam-ips: "10.0.0.1,10.0.0.2", lbipam.cilium.io/sharing-key: k}
spec: {type: LoadBalancer}
`, []string{
		"request 10.0.0.1 by cilium shared cilium:k for Service default/web",
		"request 10.0.0.2 by cilium shared cilium:k for Service default/web",
	}},
	{"made for a Gateway", "cilium.ips", `
apiVersion: v1
kind: Service
metadata:
  name: cilium-gateway-gw
  labels: {gateway.networking.k8s.io/gateway-name: gw}
  annotations: {lbipam.cilium.io/ips: 10.0.0.1}
spec: {type: LoadBalancer}
`, []string{"request 10.0.0.1 by cilium for Gateway default/gw"}},
	{"an empty new key counts", "cilium.ips", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {io.cilium/lb-ipam-ips: 10.0.0.1, lbipam.cilium.io/ips: ""}
spec: {type: LoadBalancer}
`, nil},

	{"the node's own", "cilium.nodeIP", ciliumNodeText, []string{"host 10.0.0.1 for Node n1", "host 203.0.113.1 for Node n1"}},
	{"names", "cilium.nodeIP", bareCiliumNodeText, nil},
	{"cilium_host's", "cilium.internalIP", ciliumNodeText, []string{"tunnel 10.244.1.17 for Node n1", "tunnel fd00:244::17 for Node n1"}},
	{"none", "cilium.internalIP", bareCiliumNodeText, nil},
	{"cluster-pool and multi-pool", "cilium.podCIDR", ciliumNodeText, []string{
		"podrange 10.10.0.0/27 for Node n1", "podrange 10.20.0.0/27 for Node n1", "podrange 10.244.1.0/24 for Node n1",
	}},
	{"none", "cilium.podCIDR", bareCiliumNodeText, nil},

	{"in CIDR notation", "cilium.bgpPeeringPolicy", `
apiVersion: cilium.io/v2alpha1
kind: CiliumBGPPeeringPolicy
metadata: {name: rack0}
spec:
  virtualRouters: [{localASN: 64512, neighbors: [{peerAddress: 10.0.0.254/32}, {peerAddress: "fd00:10::1/128"}]}]
`, []string{
		"reserved 10.0.0.254 for CiliumBGPPeeringPolicy rack0",
		"reserved fd00:10::1 for CiliumBGPPeeringPolicy rack0",
	}},
	{"on each node", "cilium.bgpPeeringPolicy", `
apiVersion: cilium.io/v2alpha1
kind: CiliumBGPPeeringPolicy
metadata: {name: rack0}
spec: {virtualRouters: [{neighbors: [{peerAddress: 127.0.0.1/32}]}]}
`, nil},
	{"plain", "cilium.bgpClusterConfig", `
apiVersion: cilium.io/v2
kind: CiliumBGPClusterConfig
metadata: {name: rack0}
spec: {bgpInstances: [{name: a, peers: [{name: tor, peerAddress: 10.0.0.254}]}]}
`, []string{"reserved 10.0.0.254 for CiliumBGPClusterConfig rack0"}},
	{"found by itself", "cilium.bgpClusterConfig", `
apiVersion: cilium.io/v2
kind: CiliumBGPClusterConfig
metadata: {name: rack0}
spec: {bgpInstances: [{name: a, peers: [{name: tor, autoDiscovery: {mode: DefaultGateway}}]}]}
`, nil},
}

const ciliumNodeText = `
apiVersion: cilium.io/v2
kind: CiliumNode
metadata: {name: n1}
spec:
  addresses:
  - {type: InternalIP, ip: 10.0.0.1}
  - {type: ExternalIP, ip: 203.0.113.1}
  - {type: CiliumInternalIP, ip: 10.244.1.17}
  - {type: CiliumInternalIP, ip: "fd00:244::17"}
  health: {ipv4: 10.244.1.99}
  ipam:
    podCIDRs: [10.244.1.0/24]
    pools:
      requested: [{pool: default, needed: {ipv4-addrs: 16}}]
      allocated: [{pool: default, cidrs: [10.10.0.0/27]}, {pool: mars, cidrs: [10.20.0.0/27]}]
`

const bareCiliumNodeText = `
apiVersion: cilium.io/v2
kind: CiliumNode
metadata: {name: n1}
spec: {addresses: [{type: Hostname, ip: n1}, {type: InternalDNS, ip: n1.local}], ipam: {podCIDRs: []}}
`
