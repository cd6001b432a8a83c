// SPDX-License-Identifier: Apache-2.0

package claimants

var metalLBScenes = []scene{
	{"CIDR, range and six", "metallb.pool", `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: a, namespace: metallb-system}
spec:
  autoAssign: false
  avoidBuggyIPs: true
  addresses:
  - 192.168.10.0/28
  - 192.168.9.1-192.168.9.5
  - 192.168.11.1 - 192.168.11.1
  - fc00:f853:0ccd:e799::/124
`, []string{
		"pool 192.168.9.1-192.168.9.5 by metallb for IPAddressPool metallb-system/a",
		"pool 192.168.10.0/28 by metallb for IPAddressPool metallb-system/a",
		`pool 192.168.11.1 "192.168.11.1 - 192.168.11.1" by metallb for IPAddressPool metallb-system/a`,
		`pool fc00:f853:ccd:e799::/124 "fc00:f853:0ccd:e799::/124" by metallb for IPAddressPool metallb-system/a`,
	}},
	{"backwards", "metallb.pool", `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: a, namespace: metallb-system}
spec: {addresses: [10.0.0.9-10.0.0.1]}
`, []string{`pool invalid range "10.0.0.9-10.0.0.1" by metallb for IPAddressPool metallb-system/a`}},
	{"another group's", "metallb.pool", `
apiVersion: example.org/v1
kind: IPAddressPool
metadata: {name: a, namespace: metallb-system}
spec: {addresses: [10.0.0.0/24]}
`, nil},
	{"nothing in it", "metallb.pool", `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: a, namespace: metallb-system}
spec: {addresses: []}
`, nil},

	{"the older kind", "metallb.addressPool", `
apiVersion: metallb.io/v1alpha1
kind: AddressPool
metadata: {name: a, namespace: metallb-system}
spec: {protocol: layer2, addresses: [10.0.0.0/24]}
`, []string{"pool 10.0.0.0/24 by metallb for AddressPool metallb-system/a"}},
	{"nothing in it", "metallb.addressPool", `
apiVersion: metallb.io/v1beta1
kind: AddressPool
metadata: {name: a, namespace: metallb-system}
spec: {protocol: bgp, addresses: [""]}
`, nil},

	{"pools", "metallb.config.pool", metalLBConfigText, []string{
		"pool 10.0.0.0/24 by metallb for ConfigMap metallb-system/config",
		"pool 10.0.1.1-10.0.1.9 by metallb for ConfigMap metallb-system/config",
	}},
	{"another ConfigMap", "metallb.config.pool", `
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: web}
data:
  config: |
    address-pools: [{addresses: [10.0.0.0/24]}]
`, nil},
	{"peers", "metallb.config.peer", metalLBConfigText, []string{"reserved 10.0.0.254 for ConfigMap metallb-system/config"}},
	{"a router on each node", "metallb.config.peer", `
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: metallb-system}
data:
  config: |
    peers: [{peer-address: 127.0.0.1}]
`, nil},

	{"a router", "metallb.bgpPeer", `
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: tor, namespace: metallb-system}
spec: {myASN: 64500, peerASN: 64501, peerAddress: 10.0.0.254}
`, []string{"reserved 10.0.0.254 for BGPPeer metallb-system/tor"}},
	{"unnumbered", "metallb.bgpPeer", `
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: tor, namespace: metallb-system}
spec: {myASN: 64500, peerASN: 64501, interface: eth0}
`, nil},
	{"on the link", "metallb.bgpPeer", `
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: tor, namespace: metallb-system}
spec: {peerAddress: "fe80::1"}
`, nil},

	{"two, with spaces", "metallb.loadBalancerIPs", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {metallb.universe.tf/loadBalancerIPs: "10.0.0.1, fd00::1"}
spec: {type: LoadBalancer, ports: [{port: 80}]}
`, []string{
		"request 10.0.0.1 80/TCP by metallb for Service default/web",
		"request fd00::1 80/TCP by metallb for Service default/web",
	}},
	{"the new key counts", "metallb.loadBalancerIPs", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {metallb.universe.tf/loadBalancerIPs: 10.0.0.1, metallb.io/loadBalancerIPs: 10.0.0.2}
spec: {type: LoadBalancer}
`, []string{"request 10.0.0.2 by metallb for Service default/web"}},
	{"no address", "metallb.loadBalancerIPs", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {metallb.io/loadBalancerIPs: please}
spec: {type: LoadBalancer}
`, []string{`request invalid range "please" by metallb for Service default/web`}},
	{"of another type", "metallb.loadBalancerIPs", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {metallb.io/loadBalancerIPs: 10.0.0.2}
spec: {type: NodePort}
`, nil},
	{"a pool's name is no address", "metallb.loadBalancerIPs", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {metallb.io/address-pool: production}
spec: {type: LoadBalancer}
`, nil},
}

const metalLBConfigText = `
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: metallb-system}
data:
  config: |
    peers:
    - {peer-address: 10.0.0.254, peer-asn: 64501, my-asn: 64500, password: hunter2}
    address-pools:
    - {name: default, protocol: layer2, addresses: [10.0.0.0/24]}
    - {name: more, protocol: bgp, auto-assign: false, addresses: [10.0.1.1-10.0.1.9]}
`
