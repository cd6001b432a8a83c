// SPDX-License-Identifier: Apache-2.0

package claimants

var openELBScenes = []scene{
	{"every form", "openelb.eip", `
apiVersion: network.kubesphere.io/v1alpha2
kind: Eip
metadata: {name: a}
spec: {address: 10.0.0.10-10.0.0.20, protocol: layer2, interface: eth0}
---
apiVersion: network.kubesphere.io/v1alpha2
kind: Eip
metadata: {name: b}
spec: {address: 10.0.1.0/24, disable: false}
---
apiVersion: network.kubesphere.io/v1alpha1
kind: Eip
metadata: {name: c}
spec: {address: 10.0.2.1}
`, []string{
		"pool 10.0.0.10-10.0.0.20 by openelb for Eip a", "pool 10.0.1.0/24 by openelb for Eip b", "pool 10.0.2.1 by openelb for Eip c",
	}},
	{"disabled", "openelb.eip", `
apiVersion: network.kubesphere.io/v1alpha2
kind: Eip
metadata: {name: a}
spec: {address: 10.0.0.0/24, disable: true}
`, nil},

	{"OpenELB's", "openelb.eip.request", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {lb.kubesphere.io/v1alpha1: openelb, eip.openelb.kubesphere.io/v1alpha1: 10.0.0.10}
spec: {type: LoadBalancer}
`, []string{"request 10.0.0.10 by openelb for Service default/web"}},
	{"another's", "openelb.eip.request", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {eip.openelb.kubesphere.io/v1alpha1: 10.0.0.10}
spec: {type: LoadBalancer}
`, nil},
	{"of another type", "openelb.eip.request", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {lb.kubesphere.io/v1alpha1: openelb, eip.openelb.kubesphere.io/v1alpha1: 10.0.0.10}
spec: {type: NodePort}
`, nil},
	{"a pool's name", "openelb.eip.request", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {lb.kubesphere.io/v1alpha1: openelb, eip.openelb.kubesphere.io/v1alpha2: a}
spec: {type: LoadBalancer}
`, nil},
}
