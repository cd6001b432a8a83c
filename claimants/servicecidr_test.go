// SPDX-License-Identifier: Apache-2.0

package claimants

var serviceCIDRScenes = []scene{
	{"two families", "servicecidr.cidr", `
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: {name: kubernetes}
spec: {cidrs: [10.96.0.0/12, "fd00:96::/112"]}
`, []string{
		"servicerange 10.96.0.0/12 for ServiceCIDR kubernetes",
		"servicerange fd00:96::/112 for ServiceCIDR kubernetes",
	}},
	{"empty", "servicecidr.cidr", `
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: {name: kubernetes}
spec: {cidrs: [""]}
`, nil},

	{"the Service's, else its own", "ipaddress.clusterIP", `
apiVersion: networking.k8s.io/v1
kind: IPAddress
metadata: {name: 10.96.0.10}
spec: {parentRef: {group: "", resource: services, namespace: kube-system, name: kube-dns}}
---
apiVersion: networking.k8s.io/v1beta1
kind: IPAddress
metadata: {name: "fd00:96::a"}
spec: {parentRef: {group: example.org, resource: services, namespace: a, name: b}}
`, []string{
		"clusterip 10.96.0.10 for Service kube-system/kube-dns",
		"clusterip fd00:96::a for IPAddress fd00:96::a",
	}},
	{"of another group", "ipaddress.clusterIP", `
apiVersion: ipam.cluster.x-k8s.io/v1beta1
kind: IPAddress
metadata: {name: 10.96.0.10}
`, nil},
}
