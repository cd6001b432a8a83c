// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"strings"
	"testing"
)

var kubeVIPScenes = []scene{
	{"a static Pod", "kubevip.pod.address", kubeVIPPod("ghcr.io/kube-vip/kube-vip:v0.8.0", "address: 192.168.10.100", "cp_enable: true", "svc_enable: true"),
		[]string{"controlplane 192.168.10.100 for ControlPlane apiserver"}},
	{"older: kube-vip start", "kubevip.pod.address", kubeVIPPod("plndr/kube-vip:0.2.0", "vip_address: 192.168.10.100"),
		[]string{"controlplane 192.168.10.100 for ControlPlane apiserver"}},
	{"two families; the new name counts", "kubevip.pod.address",
		kubeVIPPod("rancher/mirrored-kube-vip-kube-vip-iptables:v1.0.0@sha256:00", "vip_address: 10.0.0.9", "address: 192.168.10.100, fd00::100", "cp_enable: 1"),
		[]string{"controlplane 192.168.10.100 for ControlPlane apiserver", "controlplane fd00::100 for ControlPlane apiserver"}},
	{"Services only", "kubevip.pod.address", kubeVIPPod("kube-vip", "address: 192.168.10.100", "svc_enable: true"), nil},
	{"switched off", "kubevip.pod.address", kubeVIPPod("kube-vip", "address: 192.168.10.100", "cp_enable: false"), nil},
	{"DHCP", "kubevip.pod.address", kubeVIPPod("kube-vip", "address: 0.0.0.0", "cp_enable: true"), nil},
	{"a name", "kubevip.pod.address", kubeVIPPod("kube-vip", "address: api.example", "cp_enable: true"), nil},
	{"another program", "kubevip.pod.address",
		kubeVIPPod("example.org/kube-vip-tools:v1", "address: 192.168.10.100", "cp_enable: true") +
			kubeVIPPod("kube-vip/nginx", "address: 192.168.10.100"), nil},

	{"address", "kubevip.daemonset.address", `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-vip-ds, namespace: kube-system}
spec:
  template:
    spec:
      containers:
      - name: kube-vip
        image: ghcr.io/kube-vip/kube-vip:v0.8.0
        env: [{name: cp_enable, value: "true"}, {name: address, value: 192.168.10.100}]
`, []string{"controlplane 192.168.10.100 for ControlPlane apiserver"}},
	{"the value stands elsewhere", "kubevip.daemonset.address", `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-vip-ds, namespace: kube-system}
spec:
  template:
    spec:
      containers:
      - name: kube-vip
        image: ghcr.io/kube-vip/kube-vip:v0.8.0
        env: [{name: cp_enable, value: "true"}, {name: address, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}]
`, nil},

	{"a list", "kubevip.loadbalancerIPs", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {kube-vip.io/loadbalancerIPs: "10.0.0.1,fd00::1"}
spec: {type: LoadBalancer}
`, []string{"request 10.0.0.1 by kube-vip for Service default/web", "request fd00::1 by kube-vip for Service default/web"}},
	{"DHCP and a name", "kubevip.loadbalancerIPs", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {kube-vip.io/loadbalancerIPs: "0.0.0.0,::,web.example"}
spec: {type: LoadBalancer}
`, nil},
	{"asked of DHCP", "kubevip.requestedIP", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {kube-vip.io/loadbalancerIPs: 0.0.0.0, kube-vip.io/requestedIP: 10.0.0.7}
spec: {type: LoadBalancer}
`, []string{"request 10.0.0.7 by kube-vip for Service default/web"}},
	{"of another type", "kubevip.requestedIP", `
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations: {kube-vip.io/requestedIP: 10.0.0.7}
spec: {type: ClusterIP}
`, nil},

	{"CIDRs and ranges", "kubevip.pool", `
apiVersion: v1
kind: ConfigMap
metadata: {name: kubevip, namespace: kube-system}
data:
  cidr-default: 192.168.0.200/29,2001:db8::10/127
  range-global: 192.168.1.10-192.168.1.11
  search-order: desc
`, []string{
		"pool 192.168.0.200/29 by kube-vip for ConfigMap kube-system/kubevip",
		`pool 192.168.1.10/31 "192.168.1.10-192.168.1.11" by kube-vip for ConfigMap kube-system/kubevip`,
		"pool 2001:db8::10/127 by kube-vip for ConfigMap kube-system/kubevip",
	}},
	{"ends kept back", "kubevip.pool", `
apiVersion: v1
kind: ConfigMap
metadata: {name: kubevip, namespace: kube-system}
data:
  cidr-a: 192.168.0.200/29
  cidr-b: 2001:db8::/126
  cidr-c: 192.168.2.1/32
  range-a: 192.168.1.0-192.168.1.255
  skip-end-ips-in-cidr: "true"
`, []string{
		`pool 192.168.0.201-192.168.0.206 "192.168.0.200/29" by kube-vip for ConfigMap kube-system/kubevip`,
		`pool 192.168.1.0/24 "192.168.1.0-192.168.1.255" by kube-vip for ConfigMap kube-system/kubevip`,
		`pool 192.168.2.1 "192.168.2.1/32" by kube-vip for ConfigMap kube-system/kubevip`,
		"pool 2001:db8::/126 by kube-vip for ConfigMap kube-system/kubevip",
	}},
	{"DHCP, and other settings", "kubevip.pool", `
apiVersion: v1
kind: ConfigMap
metadata: {name: kubevip, namespace: kube-system}
data:
  cidr-global: 0.0.0.0/32
  interface-global: eth0
  allow-share-global: "true"
`, nil},
}

// kubeVIPPod makes a static Pod's manifest.
func kubeVIPPod(image string, env ...string) string {
	text := `
---
apiVersion: v1
kind: Pod
metadata: {name: kube-vip, namespace: kube-system}
spec:
  hostNetwork: true
  containers:
  - name: kube-vip
    image: "` + image + `"
    args: [manager]
    env:
    - {name: vip_interface, value: eth0}
`
	for _, e := range env {
		name, value, _ := strings.Cut(e, ": ")
		text += "    - {name: " + name + ", value: \"" + value + "\"}\n"
	}
	return text
}

// No other variable may enter a snapshot: it may be a secret.
func TestOnlyKubeVIPsVariablesAreKept(t *testing.T) {
	const text = `
apiVersion: v1
kind: Pod
metadata: {name: db}
spec:
  containers:
  - name: db
    image: postgres
    env: [{name: POSTGRES_PASSWORD, value: hunter2}, {name: address, value: 10.0.0.1}]
`
	s := decoded(t, text)
	if len(s.Objects) != 1 {
		t.Fatalf("%d objects kept, want the one with a variable of kube-vip's name", len(s.Objects))
	}
	for v := range s.Objects[0].Field("spec", "containers").Items() {
		for e := range v.Get("env").Items() {
			if e.Get("name").Text() != "address" {
				t.Errorf("kept %s=%s", e.Get("name").Text(), e.Get("value").Text())
			}
		}
	}
}
