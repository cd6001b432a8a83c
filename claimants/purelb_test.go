// SPDX-License-Identifier: Apache-2.0

package claimants

var pureLBScenes = []scene{
	{"every form", "purelb.pool", `
apiVersion: purelb.io/v2
kind: ServiceGroup
metadata: {name: default, namespace: purelb}
spec:
  local:
    v4pool: {pool: 10.0.0.10-10.0.0.20, subnet: 10.0.0.0/24}
    v6pools: [{pool: "fd00:1::/124", subnet: "fd00:1::/64"}, {pool: "fd00:2::/124", subnet: "fd00:2::/64"}]
---
apiVersion: purelb.io/v2
kind: ServiceGroup
metadata: {name: far, namespace: purelb}
spec: {remote: {v4pools: [{pool: 10.0.1.0/28, subnet: 10.0.1.0/24}]}}
---
apiVersion: purelb.io/v1
kind: ServiceGroup
metadata: {name: old, namespace: purelb}
spec: {local: {pool: 10.0.2.0/28, subnet: 10.0.2.0/24, aggregation: default}}
`, []string{
		"pool 10.0.0.10-10.0.0.20 by purelb for ServiceGroup purelb/default",
		"pool 10.0.1.0/28 by purelb for ServiceGroup purelb/far",
		"pool 10.0.2.0/28 by purelb for ServiceGroup purelb/old",
		"pool fd00:1::/124 by purelb for ServiceGroup purelb/default",
		"pool fd00:2::/124 by purelb for ServiceGroup purelb/default",
	}},
	{"addresses from elsewhere", "purelb.pool", `
apiVersion: purelb.io/v2
kind: ServiceGroup
metadata: {name: ipam, namespace: purelb}
spec: {external: {provider: netbox, announce: local}}
`, nil},

	{"two families", "purelb.addresses", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {purelb.io/addresses: "10.0.0.10,fd00:1::1", purelb.io/service-group: default}
spec: {type: LoadBalancer}
`, []string{"request 10.0.0.10 by purelb for Service default/web", "request fd00:1::1 by purelb for Service default/web"}},
	{"of another type", "purelb.addresses", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {purelb.io/addresses: 10.0.0.10}
spec: {type: ClusterIP}
`, nil},
}
