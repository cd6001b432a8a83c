// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/guard/policy"
	"whohas/guard/policy/compile"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/testkit/scenario"
)

// world is what a cluster holds, as check would load it.
type world struct {
	snapshot *snapshot.Snapshot
	reserved []claim.Claim
	facts    *cluster.Facts
	nodes    []*core.Node
}

// cluster reads a world: a txtar as scenarios are, whose section nodes holds Nodes as
// JSON, one a line.
func readWorld(t testing.TB, mode dataplane.ProxyMode, settings string, nodes []string, manifests ...string) world {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# made by a test\n-- scenario --\n%s\n", settings)
	w := world{}
	for i, text := range nodes {
		fmt.Fprintf(&b, "-- node%d.json --\n%s\n", i, text)
		n := &core.Node{}
		if err := json.Unmarshal([]byte(text), n); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		w.nodes = append(w.nodes, n)
	}
	for i, text := range manifests {
		fmt.Fprintf(&b, "-- m%d.yaml --\n%s\n", i, text)
	}
	s, err := scenario.Parse("world", []byte(b.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	w.snapshot, w.reserved, w.facts = s.Snapshot, s.Reserved, cluster.Infer(s.Snapshot, mode, "test")
	return w
}

func (w world) view() claim.View { return claimants.View(w.snapshot, w.reserved...) }

// policy makes the world's policy in a form.
func (w world) policy(t testing.TB, o policy.Options) policy.Manifest {
	t.Helper()
	if o.Namespace == "" {
		o.Namespace = "whohas"
	}
	m, err := policy.Make(policy.Input{Rules: rules.All(), Claims: w.view(), Facts: w.facts}, o)
	if err != nil {
		t.Fatalf("%s: %v", o.Form, err)
	}
	if err := compile.Policy(m.Policy); err != nil {
		t.Fatalf("%s: %v", o.Form, err)
	}
	return m
}

// objects are the Nodes, which are parameters of one form.
func (w world) objects() []runtime.Object {
	var out []runtime.Object
	for _, n := range w.nodes {
		out = append(out, n)
	}
	return out
}

func node(name string, annotations map[string]string, plane bool, addresses ...string) string {
	n := core.Node{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}, ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations, Labels: map[string]string{}}}
	if plane {
		n.Labels["node-role.kubernetes.io/control-plane"] = ""
	}
	for _, a := range addresses {
		kind, text, _ := strings.Cut(a, "=")
		n.Status.Addresses = append(n.Status.Addresses, core.NodeAddress{Type: core.NodeAddressType(kind), Address: text})
	}
	text, err := json.Marshal(n)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// incident is the cluster of the incident, with a control plane's address of its own,
// a tunnel, a gateway and a storage server.
func incident(t testing.TB, mode dataplane.ProxyMode) world {
	return readWorld(t, mode, "reserved: 192.168.10.1 gateway\nreserved: 10.9.0.0/30 printers", []string{
		node("cdev01", nil, true, "InternalIP=192.168.10.114", "Hostname=cdev01"),
		node("cdev02", map[string]string{"projectcalico.org/IPv4IPIPTunnelAddr": "10.42.1.1"}, false, "InternalIP=192.168.10.115"),
		node("cdev03", nil, false, "InternalIP=192.168.10.116", "ExternalIP=2001:db8::116"),
	}, `
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
controlPlaneEndpoint: 192.168.10.100:6443
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [192.168.10.114]}]
ports: [{port: 6443, protocol: TCP}]
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: data}
spec: {nfs: {server: 192.168.10.20, path: /data}}
`)
}

var forms = []policy.Form{policy.NodeParams, policy.Literal, policy.MapParam}
