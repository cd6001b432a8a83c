// SPDX-License-Identifier: Apache-2.0

package claimants

import "strings"

var coreScenes = []scene{
	{"the Service's and its Gateway's", "service.clusterIP", `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10, "fd00::a"]
  ports: [{port: 80}]
---
apiVersion: v1
kind: Service
metadata:
  name: gw-svc
  labels: {gateway.networking.k8s.io/gateway-name: gw}
spec: {clusterIP: 10.96.0.11}
`, []string{
		"clusterip 10.96.0.10 80/TCP for Service default/web",
		"clusterip 10.96.0.11 for Gateway default/gw",
		"clusterip fd00::a 80/TCP for Service default/web",
	}},
	{"headless", "service.clusterIP", `
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, clusterIPs: [None]}
`, nil},

	{"any type", "service.externalIP", `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  externalIPs: [192.168.10.114]
  ports: [{port: 80}, {port: 53, protocol: UDP}]
`, []string{"vip 192.168.10.114 80/TCP, 53/UDP for Service default/web"}},
	{"nobody programs them", "service.externalIP", `
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, externalIPs: [192.168.10.114]}
---
apiVersion: v1
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: a.example, externalIPs: [192.168.10.114]}
`, nil},

	{"VIP and Proxy", "service.ingressIP", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {metallb.universe.tf/allow-shared-ip: k}
spec: {type: LoadBalancer}
status:
  loadBalancer:
    ingress: [{ip: 10.0.0.1}, {ip: 10.0.0.2, ipMode: VIP}, {ip: 10.0.0.3, ipMode: Proxy}]
`, []string{
		"vip 10.0.0.1 shared metallb:k for Service default/web",
		"vip 10.0.0.2 shared metallb:k for Service default/web",
		"observed 10.0.0.3 shared metallb:k for Service default/web",
	}},
	{"a name", "service.ingressIP", `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer}
status: {loadBalancer: {ingress: [{hostname: lb.example}]}}
`, nil},

	{"asked for", "service.loadBalancerIP", `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, loadBalancerIP: 10.0.0.1, loadBalancerClass: io.cilium/node}
`, []string{"request 10.0.0.1 by cilium-node-ipam for Service default/web"}},
	{"of another type", "service.loadBalancerIP", `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: ClusterIP, loadBalancerIP: 10.0.0.1}
`, nil},

	{"type defaults to IPAddress", "gateway.address", `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: web}
spec:
  addresses: [{value: 10.0.0.1}, {type: IPAddress, value: 10.0.0.2}]
  listeners: [{name: a, port: 443, protocol: TLS}, {name: b, port: 53, protocol: UDP}]
`, []string{
		"request 10.0.0.1 443/TCP, 53/UDP for Gateway web/gw",
		"request 10.0.0.2 443/TCP, 53/UDP for Gateway web/gw",
	}},
	{"any address, a name, an implementation's type", "gateway.address", `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: web}
spec:
  addresses: [{type: IPAddress, value: ""}, {type: Hostname, value: gw.example}, {type: cloud.example/named, value: a}]
`, nil},

	{"both families", "node.internalIP", nodeText, []string{"host 10.0.0.1 for Node n1", "host fd00::1 for Node n1"}},
	{"no address", "node.internalIP", bareNodeText, nil},
	{"outside", "node.externalIP", nodeText, []string{"host 203.0.113.1 for Node n1"}},
	{"no address", "node.externalIP", bareNodeText, nil},
	{"once, though written twice", "node.podCIDR", nodeText, []string{"podrange 10.244.1.0/24 for Node n1"}},
	{"the older field alone", "node.podCIDR", `
apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {podCIDR: 10.244.1.0/24}
`, []string{"podrange 10.244.1.0/24 for Node n1"}},
	{"none", "node.podCIDR", bareNodeText, nil},

	{"its own network", "pod.ip", podText, []string{"pod 10.244.1.5 for Pod default/web"}},
	{"in the node's network, or finished", "pod.ip", hostPodText + finishedPodText, nil},
	{"in the node's network", "pod.hostIP", hostPodText, []string{"host 10.0.0.1 for Node n1"}},
	{"its own network", "pod.hostIP", podText, nil},
	{"on the node's address", "pod.hostPort", podText, []string{"listener 10.0.0.1 8080/TCP for Pod default/web"}},
	{"finished, or none", "pod.hostPort", finishedPodText + hostPodText, nil},

	{"where the apiservers listen", "endpointslice.kubernetes", apiserverSliceText, []string{"controlplane 10.0.0.1 6443/TCP for ControlPlane apiserver"}},
	{"another Service's", "endpointslice.kubernetes", manualSliceText, nil},
	{"by hand", "endpointslice.address", manualSliceText, []string{"endpoint 10.0.0.9 80/TCP for EndpointSlice default/ext"}},
	{"a controller's, and the apiserver's", "endpointslice.address", apiserverSliceText + `
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-abc
  labels: {endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io}
addressType: IPv4
endpoints: [{addresses: [10.244.1.5]}]
`, nil},
	{"a name that anyone can write", "endpointslice.namedAddress", namedSliceText, []string{"endpoint 10.0.0.9 80/TCP by me for Service default/ext"}},
	{"a controller's", "endpointslice.namedAddress", strings.Replace(namedSliceText, "metadata:", "metadata:\n  ownerReferences: [{apiVersion: v1, kind: Service, name: ext, uid: u, controller: true}]", 1), nil},
	{"by hand", "endpoints.address", `
apiVersion: v1
kind: Endpoints
metadata: {name: ext}
subsets: [{addresses: [{ip: 10.0.0.9}], ports: [{port: 80}]}]
`, []string{"endpoint 10.0.0.9 80/TCP for Service default/ext"}},
	{"a lock, and not mirrored", "endpoints.address", `
apiVersion: v1
kind: Endpoints
metadata: {name: lock, annotations: {control-plane.alpha.kubernetes.io/leader: "{}"}}
subsets: [{addresses: [{ip: 10.0.0.9}]}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: own, labels: {endpointslice.kubernetes.io/skip-mirror: "true"}}
subsets: [{addresses: [{ip: 10.0.0.9}]}]
`, nil},
	{"where the apiservers listen", "endpoints.kubernetes", `
apiVersion: v1
kind: Endpoints
metadata: {name: kubernetes, namespace: default}
subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 6443}]}]
`, []string{"controlplane 10.0.0.1 6443/TCP for ControlPlane apiserver"}},
	{"another namespace's", "endpoints.kubernetes", `
apiVersion: v1
kind: Endpoints
metadata: {name: kubernetes, namespace: web}
subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 6443}]}]
`, nil},
}

const nodeText = `
apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}
status:
  addresses:
  - {type: InternalIP, address: 10.0.0.1}
  - {type: InternalIP, address: "fd00::1"}
  - {type: ExternalIP, address: 203.0.113.1}
  - {type: Hostname, address: n1}
`

const bareNodeText = `
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: Hostname, address: 10.0.0.1}]}
`

const podText = `
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  nodeName: n1
  containers: [{name: a, ports: [{containerPort: 80, hostPort: 8080}]}]
status: {phase: Running, hostIP: 10.0.0.1, podIP: 10.244.1.5, podIPs: [{ip: 10.244.1.5}]}
`

const hostPodText = `
---
apiVersion: v1
kind: Pod
metadata: {name: kube-proxy, namespace: kube-system}
spec: {nodeName: n1, hostNetwork: true, containers: [{name: a}]}
status: {phase: Running, hostIP: 10.0.0.1, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}]}
`

const finishedPodText = `
---
apiVersion: v1
kind: Pod
metadata: {name: job}
spec:
  nodeName: n1
  containers: [{name: a, ports: [{containerPort: 80, hostPort: 8080}]}]
status: {phase: Succeeded, hostIP: 10.0.0.1, podIP: 10.244.1.6, podIPs: [{ip: 10.244.1.6}]}
`

const apiserverSliceText = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: kubernetes
  namespace: default
  labels: {kubernetes.io/service-name: kubernetes}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1]}]
ports: [{port: 6443}]
`

// namedSliceText names a keeper, who may be anybody.
var namedSliceText = strings.Replace(manualSliceText, "name: ext}", "name: ext, endpointslice.kubernetes.io/managed-by: me}", 1)

const manualSliceText = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ext
  labels: {kubernetes.io/service-name: ext}
addressType: IPv4
endpoints: [{addresses: [10.0.0.9]}]
ports: [{port: 80}]
`
