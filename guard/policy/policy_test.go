// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"strings"
	"testing"

	admission "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"

	"whohas/dataplane"
	"whohas/guard/policy"
)

// verdicts are writes and what becomes of them: a rule that refuses, or "".
var verdicts = []struct {
	name          string
	before, after string
	ipvs          string
	iptables      string
}{
	{"the incident", "", `{"spec":{"type":"ClusterIP","externalIPs":["192.168.10.114"],"ports":[{"port":8080}]}}`, "WH101", ""},
	{"a node's kubelet port", "", `{"spec":{"externalIPs":["192.168.10.115"],"ports":[{"port":10250,"protocol":"TCP"}]}}`, "WH101", "WH101"},
	{"the same in UDP", "", `{"spec":{"externalIPs":["192.168.10.115"],"ports":[{"port":10250,"protocol":"UDP"}]}}`, "WH101", ""},
	{"the status, by hand", `{"spec":{"type":"LoadBalancer"}}`, `{"spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{"ingress":[{"ip":"192.168.10.115"}]}}}`, "WH102", "WH102"},
	{"a request", "", `{"spec":{"type":"LoadBalancer","loadBalancerIP":"192.168.10.116"}}`, "WH103", "WH103"},
	{"an annotation", "", `{"metadata":{"name":"web","namespace":"demo","annotations":{"metallb.io/loadBalancerIPs":"10.0.0.1, 192.168.10.116"}},"spec":{"type":"LoadBalancer"}}`, "WH103", "WH103"},
	{"a JSON annotation", "", `{"metadata":{"name":"web","namespace":"demo","annotations":{"projectcalico.org/loadBalancerIPs":"[\"192.168.10.116\"]"}},"spec":{"type":"LoadBalancer"}}`, "WH103", "WH103"},
	{"the control plane's address", "", `{"spec":{"externalIPs":["192.168.10.100"],"ports":[{"port":80}]}}`, "WH106", "WH106"},
	{"a tunnel", "", `{"spec":{"externalIPs":["10.42.1.1"],"ports":[{"port":80}]}}`, "WH107", "WH107"},
	{"the gateway", "", `{"spec":{"externalIPs":["192.168.10.1"],"ports":[{"port":80}]}}`, "WH108", "WH108"},
	{"in a reserved range", "", `{"spec":{"externalIPs":["10.9.0.2"],"ports":[{"port":80}]}}`, "WH108", "WH108"},
	{"the IPv6 of a node", "", `{"spec":{"externalIPs":["2001:db8::116"],"ports":[{"port":22}]}}`, "WH101", "WH101"},

	{"IPv4-mapped", "", `{"spec":{"externalIPs":["::ffff:192.168.10.114"],"ports":[{"port":80}]}}`, "WH208", "WH208"},
	{"leading zeros", "", `{"spec":{"externalIPs":["192.168.010.114"],"ports":[{"port":80}]}}`, "WH208", "WH208"},
	{"upper case", "", `{"spec":{"externalIPs":["2001:DB8::116"],"ports":[{"port":80}]}}`, "WH208", "WH208"},

	{"a free address", "", `{"spec":{"externalIPs":["192.168.10.117"],"ports":[{"port":22}]}}`, "", ""},
	{"above the range", "", `{"spec":{"externalIPs":["10.9.0.4"],"ports":[{"port":80}]}}`, "", ""},
	{"headless", "", `{"spec":{"clusterIP":"None","externalIPs":["192.168.10.114"],"ports":[{"port":22}]}}`, "", ""},
	{"ExternalName", "", `{"spec":{"type":"ExternalName","externalIPs":["192.168.10.114"],"externalName":"a.example"}}`, "", ""},
	{"another type's loadBalancerIP", "", `{"spec":{"type":"ClusterIP","loadBalancerIP":"192.168.10.116"}}`, "", ""},
	{"ipMode Proxy", "", `{"spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{"ingress":[{"ip":"192.168.10.115","ipMode":"Proxy"}]}}}`, "", ""},
	{"a name in the status", "", `{"spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{"ingress":[{"hostname":"lb.example"}]}}}`, "", ""},
	{"left to another proxy", "", `{"metadata":{"name":"web","namespace":"demo","labels":{"service.kubernetes.io/service-proxy-name":"other"}},"spec":{"externalIPs":["192.168.10.114"]}}`, "", ""},
	{"the storage server itself", "", `{"spec":{"externalIPs":["192.168.10.20"],"ports":[{"port":2049}]}}`, "", ""},
	{"beside the storage server", "", `{"spec":{"externalIPs":["192.168.10.20"],"ports":[{"port":80}]}}`, "WH108", "WH108"},
	{"kube-vip and a name", "", `{"metadata":{"name":"web","namespace":"demo","annotations":{"kube-vip.io/loadbalancerIPs":"vip.example.org,0.0.0.0"}},"spec":{"type":"LoadBalancer"}}`, "", ""},
	{"kube-vip and zeros", "", `{"metadata":{"name":"web","namespace":"demo","annotations":{"kube-vip.io/loadbalancerIPs":"192.168.010.115"}},"spec":{"type":"LoadBalancer"}}`, "WH208", "WH208"},
	{"a placeholder", "", `{"metadata":{"name":"web","namespace":"demo","annotations":{"metallb.io/loadBalancerIPs":"${VIP}"}},"spec":{"type":"LoadBalancer"}}`, "", ""},

	{"the fix", `{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":22}]}}`, `{"spec":{"ports":[{"port":22}]}}`, "", ""},
	{"half of the fix", `{"spec":{"externalIPs":["192.168.10.114","192.168.10.115"],"ports":[{"port":22}]}}`, `{"spec":{"externalIPs":["192.168.10.115"],"ports":[{"port":22}]}}`, "", ""},
	{"an old conflict, unchanged", `{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":22}]}}`, `{"metadata":{"name":"web","namespace":"demo","labels":{"a":"b"}},"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":22},{"port":80}]}}`, "", ""},
	{"an old conflict and a new one", `{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":22}]}}`, `{"spec":{"externalIPs":["192.168.10.114","192.168.10.115"],"ports":[{"port":22}]}}`, "WH101", "WH101"},
	{"an old form", `{"spec":{"externalIPs":["10.0.0.01"]}}`, `{"spec":{"externalIPs":["10.0.0.01"],"ports":[{"port":81}]}}`, "", ""},
	{"a request is granted", `{"spec":{"type":"LoadBalancer","loadBalancerIP":"192.168.10.116","ports":[{"port":80}]}}`,
		`{"spec":{"type":"LoadBalancer","loadBalancerIP":"192.168.10.116","ports":[{"port":80}]},"status":{"loadBalancer":{"ingress":[{"ip":"192.168.10.116"}]}}}`, "", ""},

	{"a port is given up", `{"spec":{"externalIPs":["192.168.10.20"],"ports":[{"port":2049},{"port":80}]}}`, `{"spec":{"externalIPs":["192.168.10.20"],"ports":[{"port":80}]}}`, "", ""},
	{"and another taken", `{"spec":{"externalIPs":["192.168.10.20"],"ports":[{"port":2049},{"port":80}]}}`, `{"spec":{"externalIPs":["192.168.10.20"],"ports":[{"port":81}]}}`, "WH108", "WH108"},

	{"bypass: type", `{"spec":{"type":"ClusterIP","loadBalancerIP":"192.168.10.116"}}`, `{"spec":{"type":"LoadBalancer","loadBalancerIP":"192.168.10.116"}}`, "WH103", "WH103"},
	{"bypass: no longer headless", `{"spec":{"clusterIP":"None","externalIPs":["192.168.10.114"],"ports":[{"port":22}]}}`, `{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":22}]}}`, "WH101", "WH101"},
	{"bypass: no longer ExternalName", `{"spec":{"type":"ExternalName","externalIPs":["192.168.10.114"],"ports":[{"port":22}]}}`, `{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":22}]}}`, "WH101", "WH101"},
	{"bypass: ports", `{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":80}]}}`, `{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":6443}]}}`, "", "WH10"},
	{"bypass: ports, old form", `{"spec":{"externalIPs":["::ffff:192.168.10.114"],"ports":[{"port":80}]}}`, `{"spec":{"externalIPs":["::ffff:192.168.10.114"],"ports":[{"port":6443}]}}`, "", "WH10"},
	{"bypass: protocol", `{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":22,"protocol":"UDP"}]}}`, `{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":22,"protocol":"TCP"}]}}`, "", "WH101"},
	{"bypass: ipMode", `{"spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{"ingress":[{"ip":"192.168.10.115","ipMode":"Proxy"}]}}}`,
		`{"spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{"ingress":[{"ip":"192.168.10.115","ipMode":"VIP"}]}}}`, "WH102", "WH102"},
	{"bypass: class", `{"spec":{"type":"LoadBalancer","loadBalancerClass":"io.cilium/node"},"status":{"loadBalancer":{"ingress":[{"ip":"192.168.10.115"}]}}}`,
		`{"spec":{"type":"LoadBalancer"},"status":{"loadBalancer":{"ingress":[{"ip":"192.168.10.115"}]}}}`, "", "WH102"},
	{"bypass: the proxy's label", `{"metadata":{"name":"web","namespace":"demo","labels":{"service.kubernetes.io/service-proxy-name":"other"}},"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":22}]}}`,
		`{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":22}]}}`, "WH101", "WH101"},
	{"bypass: OpenELB's other annotation", `{"metadata":{"name":"web","namespace":"demo","annotations":{"eip.openelb.kubesphere.io/v1alpha1":"192.168.10.115"}},"spec":{"type":"LoadBalancer"}}`,
		`{"metadata":{"name":"web","namespace":"demo","annotations":{"eip.openelb.kubesphere.io/v1alpha1":"192.168.10.115","lb.kubesphere.io/v1alpha1":"openelb"}},"spec":{"type":"LoadBalancer"}}`, "WH103", "WH103"},
	{"bypass: the newer annotation goes", `{"metadata":{"name":"web","namespace":"demo","annotations":{"metallb.io/loadBalancerIPs":"","metallb.universe.tf/loadBalancerIPs":"192.168.10.115"}},"spec":{"type":"LoadBalancer"}}`,
		`{"metadata":{"name":"web","namespace":"demo","annotations":{"metallb.universe.tf/loadBalancerIPs":"192.168.10.115"}},"spec":{"type":"LoadBalancer"}}`, "WH103", "WH103"},
	{"bypass: the storage server's port", `{"spec":{"externalIPs":["192.168.10.20"],"ports":[{"port":2049}]}}`, `{"spec":{"externalIPs":["192.168.10.20"],"ports":[{"port":80}]}}`, "WH108", "WH108"},
}

func TestVerdicts(t *testing.T) {
	for _, mode := range []dataplane.ProxyMode{dataplane.IPVS, dataplane.IPTables} {
		w := incident(t, mode)
		for _, form := range forms {
			s := served(t, strict(w.policy(t, policy.Options{Form: form})), w.objects()...)
			for _, tt := range verdicts {
				t.Run(string(mode)+"/"+string(form)+"/"+tt.name, func(t *testing.T) {
					var before *core.Service
					if tt.before != "" {
						before = service(t, tt.before)
					}
					want := tt.ipvs
					if mode != dataplane.IPVS {
						want = tt.iptables
					}
					got := refusedFor(t, s.write(context.Background(), before, service(t, tt.after), anybody))
					if want == "" && got != "" || !strings.Contains(got, want) {
						t.Errorf("want %q, got %q", want, got)
					}
				})
			}
		}
	}
}

// strict makes of every fault of the policy's own a refusal, which a test sees.
func strict(m policy.Manifest) policy.Manifest {
	m.Policy = m.Policy.DeepCopy()
	fail := admission.Fail
	m.Policy.Spec.FailurePolicy = &fail
	return m
}
