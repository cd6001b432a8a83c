// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"whohas/snapshot"
	"whohas/source/live"
	"whohas/testkit/apiserver"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	serviceKind   = snapshot.Kind{Kind: "Service", Resource: "services", Namespaced: true}
	nodeKind      = snapshot.Kind{Kind: "Node", Resource: "nodes"}
	configMapKind = snapshot.Kind{Kind: "ConfigMap", Resource: "configmaps", Namespaced: true}
	poolKind      = snapshot.Kind{Group: "metallb.io", Kind: "IPAddressPool", Resource: "ipaddresspools", Namespaced: true}
	classKind     = snapshot.Kind{Group: "networking.k8s.io", Kind: "IngressClass", Resource: "ingressclasses"}
	ciliumKind    = snapshot.Kind{Group: "cilium.io", Kind: "CiliumNode", Resource: "ciliumnodes"}
	proxyKind     = snapshot.Kind{Group: "kubeproxy.config.k8s.io", Kind: "KubeProxyConfiguration", Resource: "kubeproxyconfigurations"}
	kubeadmKind   = snapshot.Kind{Group: "kubeadm.k8s.io", Kind: "ClusterConfiguration", Resource: "clusterconfigurations"}
)

func reads(tb testing.TB) snapshot.Reads {
	tb.Helper()
	r, err := snapshot.NewReads(append(snapshot.OwnReads(),
		snapshot.Read{Kind: serviceKind, Traced: []string{"spec.externalIPs[]"}, Fields: []string{"spec.clusterIP"}},
		snapshot.Read{Kind: nodeKind, Fields: []string{"status.addresses<any>"}},
		snapshot.Read{Kind: poolKind, Fields: []string{"spec.addresses[]"}},
		snapshot.Read{Kind: configMapKind, Names: []string{"kube-system/kube-proxy", "kube-system/none"}, Fields: []string{`data."config.conf"<yaml>.mode`}},
		snapshot.Read{Kind: classKind, Names: []string{"/wanted"}, Fields: []string{"spec.controller"}},
		snapshot.Read{Kind: ciliumKind, Fields: []string{"spec.addresses<any>"}},
		snapshot.Read{Kind: proxyKind, Fields: []string{"mode"}},
		snapshot.Read{Kind: kubeadmKind, Fields: []string{"networking<any>"}},
	)...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

const pool = `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lab, namespace: default}
spec: {addresses: [198.51.100.0/24]}
`

const node = `
apiVersion: v1
kind: Node
metadata: {name: cdev01}
`

const nodeStatus = `
apiVersion: v1
kind: Node
metadata: {name: cdev01}
status: {addresses: [{type: InternalIP, address: 192.168.10.114}]}
`

const proxyConfig = `
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system}
data: {config.conf: "mode: ipvs\nother: secret"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: another, namespace: kube-system}
data: {config.conf: "mode: iptables"}
`

const limitedMayReadServices = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: read-services}
rules: [{apiGroups: [""], resources: [services], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: limited-reads-services}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: read-services}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: limited}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: read-pods, namespace: demo}
rules: [{apiGroups: [""], resources: [pods], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: limited-reads-pods, namespace: demo}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: read-pods}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: limited}]
`

func services(n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\napiVersion: v1\nkind: Service\nmetadata: {name: tomcat}\nspec: {externalIPs: [192.168.10.114], ports: [{port: 80}]}\n")
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Service\nmetadata: {name: s%02d}\nspec: {ports: [{port: 80}]}\n", i)
	}
	return b.String()
}

func config(tb testing.TB, s *apiserver.Server, user string) *rest.Config {
	tb.Helper()
	c, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig(user))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func read(tb testing.TB, o live.Options) *snapshot.Snapshot {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	var into snapshot.Builder
	if err := live.Read(ctx, o, &into); err != nil {
		tb.Fatalf("read: %v", err)
	}
	return into.Snapshot()
}

func TestRealServer(t *testing.T) {
	server := apiserver.Start(t)
	begun := time.Now().Add(-time.Second)
	server.KubectlInput(node+"---"+services(24)+"---"+proxyConfig, "apply", "-f", "-")
	server.Kubectl("create", "namespace", "demo")
	server.KubectlInput(nodeStatus, "apply", "--server-side", "--subresource=status", "-f", "-")
	server.Serve(apiserver.IPAddressPool)
	server.KubectlInput(pool, "apply", "-f", "-")
	server.KubectlInput(limitedMayReadServices, "apply", "-f", "-")
	server.KubectlInput("apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: demo}\nspec: {hostNetwork: true, containers: [{name: c, image: x}]}", "apply", "-f", "-")

	t.Run("admin", func(t *testing.T) {
		seen := map[string]int{}
		s := read(t, live.Options{Config: config(t, server, apiserver.Admin), Reads: reads(t), PageSize: 10,
			Progress: func(kind string, n int) { seen[kind] = max(seen[kind], n) }})
		if diff := cmp.Diff([]snapshot.Coverage{
			{Source: "ciliumnodes.cilium.io", Status: snapshot.StatusAbsent, Complete: true, Detail: "not installed"},
			{Source: "configmaps", Status: snapshot.StatusRead, Count: 1, Complete: true},
			{Source: "endpoints", Status: snapshot.StatusRead, Complete: true},
			{Source: "endpointslices", Status: snapshot.StatusRead, Complete: true},
			{Source: "ingressclasses", Status: snapshot.StatusRead, Complete: true},
			{Source: "ipaddresspools.metallb.io", Status: snapshot.StatusRead, Count: 1, Complete: true},
			{Source: "nodes", Status: snapshot.StatusRead, Count: 1, Complete: true},
			{Source: "pods", Status: snapshot.StatusRead, Count: 1, Complete: true},
			{Source: "services", Status: snapshot.StatusRead, Count: 26, Complete: true},
		}, s.Coverage); diff != "" {
			t.Errorf("coverage: -want +got:\n%s", diff)
		}
		if seen["services"] != 26 || seen["nodes"] != 1 {
			t.Errorf("progress %v", seen)
		}
		if s.Taken.Before(begun) || s.Taken.After(time.Now()) {
			t.Errorf("taken %v", s.Taken)
		}
		tomcat := s.First(serviceKind.Ref("default", "tomcat"))
		if got := tomcat.Field("spec", "externalIPs").Value.Items[0].Text; got != "192.168.10.114" {
			t.Errorf("external address %q", got)
		}
		if o := tomcat.Origin(); o.File != "" || o.Line != 0 || tomcat.Field("spec", "clusterIP").Origin().Line != 0 {
			t.Errorf("origin %+v", o)
		}
		m, ok := tomcat.ManagerOf("spec", "externalIPs")
		if !ok || m.Name != "kubectl-client-side-apply" || m.Operation != "Update" || m.Time.Before(begun.Truncate(time.Second)) {
			t.Errorf("manager %+v, %v", m, ok)
		}
		if got := s.First(nodeKind.Ref("", "cdev01")).Field("status", "addresses").Value.Items[0].Get("address").Text; got != "192.168.10.114" {
			t.Errorf("node address %q", got)
		}
		if got := s.First(poolKind.Ref("default", "lab")).Version; got != "v1beta1" {
			t.Errorf("version of the pool %q", got)
		}
		if got := s.First(configMapKind.Ref("kube-system", "kube-proxy")).Field("data", "config.conf", "mode").Text(); got != "ipvs" {
			t.Errorf("mode %q", got)
		}
		if len(s.Pods) != 1 || !s.Pods[0].HostNetwork {
			t.Errorf("pods %+v", s.Pods)
		}
	})
	t.Run("limited", func(t *testing.T) {
		o := live.Options{Config: config(t, server, apiserver.Limited), Reads: reads(t), Namespaces: []string{"demo", "default"}}
		s := read(t, o)
		// The authorizer sees new bindings through a watch, a little later.
		for begun := time.Now(); len(s.Kind(serviceKind)) == 0 || len(s.Pods) == 0; s = read(t, o) {
			if time.Since(begun) > time.Minute {
				t.Fatalf("coverage %+v", s.Coverage)
			}
		}
		want := map[string]snapshot.Coverage{
			"services": {Source: "services", Status: snapshot.StatusRead, Count: 26, Complete: true},
			"nodes":    {Source: "nodes", Status: snapshot.StatusDenied, Detail: `forbidden: User "limited" cannot list resource "nodes" in API group "" at the cluster scope`},
			"pods":     {Source: "pods", Status: snapshot.StatusPartial, Count: 1, Detail: "only in demo"},
			"configmaps": {Source: "configmaps", Status: snapshot.StatusDenied,
				Detail: `forbidden: User "limited" cannot get resource "configmaps" in API group "" in the namespace "kube-system"`},
			"ciliumnodes.cilium.io": {Source: "ciliumnodes.cilium.io", Status: snapshot.StatusAbsent, Complete: true, Detail: "not installed"},
		}
		for _, c := range s.Coverage {
			if w, ok := want[c.Source]; ok {
				if diff := cmp.Diff(w, c); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
		}
		if s.Failed() {
			t.Errorf("failed: %+v", s.Coverage)
		}
	})
	t.Run("as client-go", func(t *testing.T) { asClientGo(t, config(t, server, apiserver.Admin)) })
	t.Run("unknown user", func(t *testing.T) {
		s := read(t, live.Options{Config: config(t, server, "nobody"), Reads: reads(t)})
		if diff := cmp.Diff([]snapshot.Coverage{{Source: "cluster", Status: snapshot.StatusUnreadable, Detail: "not authenticated", Failed: true}}, s.Coverage); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("older discovery", func(t *testing.T) {
		// A gateway that strips what it does not know of the Accept header, as
		// a server before 1.30 does.
		c := config(t, server, apiserver.Admin)
		c.Wrap(func(rt http.RoundTripper) http.RoundTripper { return plainAccept{rt} })
		s := read(t, live.Options{Config: c, Reads: reads(t)})
		if s.Failed() || len(s.Kind(serviceKind)) != 26 || len(s.Kind(poolKind)) != 1 {
			t.Errorf("coverage: %+v", s.Coverage)
		}
	})
}

// asClientGo: a server serves what the library says that it serves, asked in both ways.
func asClientGo(t *testing.T, c *rest.Config) {
	finder, err := discovery.NewDiscoveryClientForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	groups, lists, err := finder.ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	preferred := map[string]bool{}
	var kinds []snapshot.Kind
	for _, g := range groups {
		preferred[g.PreferredVersion.GroupVersion] = true
		kinds = append(kinds, snapshot.Kind{Group: g.Name})
	}
	var want []string
	for _, l := range lists {
		for _, r := range l.APIResources {
			if slices.Contains(r.Verbs, "list") {
				want = append(want, fmt.Sprintf("%s preferred=%t %s %s %t", l.GroupVersion, preferred[l.GroupVersion], r.Kind, r.Name, r.Namespaced))
			}
		}
	}
	slices.Sort(want)
	older := rest.CopyConfig(c)
	older.Wrap(func(rt http.RoundTripper) http.RoundTripper { return plainAccept{rt} })
	for name, c := range map[string]*rest.Config{"together": c, "group by group": older} {
		got, err := live.Served(t.Context(), c, kinds)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || len(got) < 50 {
			t.Errorf("%s: %d kinds\n-want +got:\n%s", name, len(got), diff)
		}
	}
}

type plainAccept struct{ http.RoundTripper }

func (p plainAccept) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Accept", "application/json")
	return p.RoundTripper.RoundTrip(r)
}
