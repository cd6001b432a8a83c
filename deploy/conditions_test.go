// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"whohas/claim"
	"whohas/claimants"
	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// taking are the claimants whose objects a guard looks at (claimants.Takes).
func taking() []*claimants.Claimant {
	return slices.DeleteFunc(claimants.All(), func(c *claimants.Claimant) bool {
		const takes = claim.VIP | claim.Request | claim.Pool | claim.Endpoint
		return c.Host != nil || c.Role&takes == 0 && c != claimants.ServiceCIDR
	})
}

// TestRules: the webhook is asked about each kind that the guard looks at, when it is made
// or changed, and about no other.
func TestRules(t *testing.T) {
	want := map[string]bool{"/services/status": true}
	names := map[string]bool{}
	for _, c := range taking() {
		want[c.Of.Group+"/"+c.Of.Resource] = true
		for _, n := range c.Names {
			if c.Of.Resource == "configmaps" {
				names["'"+n+"'"] = true
			}
		}
	}
	for _, form := range forms {
		got := map[string]bool{}
		for _, w := range webhooks(t, form.dir).Webhooks {
			for _, r := range w.Rules {
				if diff := cmp.Diff([]v1.OperationType{v1.Create, v1.Update}, r.Operations); diff != "" {
					t.Errorf("%s: %s", w.Name, diff)
				}
				for _, g := range r.APIGroups {
					for _, x := range r.Resources {
						got[g+"/"+x] = true
					}
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -looked at +sent:\n%s", form.dir, diff)
		}
	}
	for _, c := range named(t, "configmaps.guard.whohas.io").GetMatchConditions()[:1] {
		for n := range names {
			if !strings.Contains(c.Expression, n) {
				t.Errorf("%s lacks %s", c.Name, n)
			}
		}
		if got := strings.Count(c.Expression, "', '") + 1; got != len(names) {
			t.Errorf("%s: %d names, want %d: %s", c.Name, got, len(names), c.Expression)
		}
	}
}

// TestWebhook: what admission.md wants of every entry.
func TestWebhook(t *testing.T) {
	for _, form := range forms {
		want := v1.Ignore
		if form.dir == "overlays/fail-closed" {
			want = v1.Fail
		}
		for _, w := range webhooks(t, form.dir).Webhooks {
			switch {
			case w.FailurePolicy == nil || *w.FailurePolicy != want:
				t.Errorf("%s: %s: failurePolicy %v", form.dir, w.Name, w.FailurePolicy)
			case *w.TimeoutSeconds != 3 || *w.MatchPolicy != v1.Equivalent || *w.SideEffects != v1.SideEffectClassNoneOnDryRun:
				t.Errorf("%s: %s: %d s, %s, %s", form.dir, w.Name, *w.TimeoutSeconds, *w.MatchPolicy, *w.SideEffects)
			case !slices.Equal(w.AdmissionReviewVersions, []string{"v1"}):
				t.Errorf("%s: %s: %v", form.dir, w.Name, w.AdmissionReviewVersions)
			case w.NamespaceSelector != nil || w.ObjectSelector != nil:
				t.Errorf("%s: %s: somebody can get out by a label", form.dir, w.Name)
			}
		}
	}
}

// full are objects with everything in them that claimants read, one of each kind.
const full = `
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: demo
  labels: {service.kubernetes.io/service-proxy-name: other, gateway.networking.k8s.io/gateway-name: gw}
  annotations:
    metallb.io/loadBalancerIPs: 192.0.2.1
    metallb.io/allow-shared-ip: key
    node-proxy.openelb.kubesphere.io/type: deployment
spec:
  type: ClusterIP
  clusterIP: 10.96.0.9
  clusterIPs: [10.96.0.9]
  ipFamilies: [IPv4]
  externalIPs: [192.0.2.1]
  loadBalancerIP: 192.0.2.1
  loadBalancerClass: a/b
  externalTrafficPolicy: Cluster
  selector: {app: web}
  ports: [{port: 80, protocol: TCP}]
status: {loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: VIP}]}}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: p, namespace: metallb-system}
spec: {addresses: [192.0.2.0/28], autoAssign: true, avoidBuggyIPs: true, serviceAllocation: {priority: 1}}
---
apiVersion: metallb.io/v1beta1
kind: AddressPool
metadata: {name: p, namespace: metallb-system}
spec: {addresses: [192.0.2.0/28], autoAssign: true, protocol: layer2}
---
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: {name: p}
spec:
  blocks: [{cidr: 192.0.2.0/28, start: 192.0.2.1, stop: 192.0.2.9}]
  cidrs: [{cidr: 192.0.2.0/28, start: 192.0.2.1, stop: 192.0.2.9}]
  disabled: true
  allowFirstLastIPs: "Yes"
  serviceSelector: {matchLabels: {a: b}}
---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: p}
spec: {cidr: 192.0.2.0/28, allowedUses: [LoadBalancer], disabled: true, assignmentMode: Automatic}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: p}
spec: {cidr: 192.0.2.0/28, allowedUses: [LoadBalancer], disabled: true, assignmentMode: Automatic}
---
apiVersion: network.kubesphere.io/v1alpha2
kind: Eip
metadata: {name: p}
spec: {address: 192.0.2.0/28, disable: true, protocol: layer2, priority: 1, namespaces: [a], namespaceSelector: {a: b}}
---
apiVersion: purelb.io/v1
kind: ServiceGroup
metadata: {name: p, namespace: purelb}
spec:
  local: {pool: 192.0.2.0/28, v4pool: {pool: a}, v6pool: {pool: a}, v4pools: [{pool: a}], v6pools: [{pool: a}]}
  remote: {pool: 192.0.2.0/28, v4pool: {pool: a}, v6pool: {pool: a}, v4pools: [{pool: a}], v6pools: [{pool: a}]}
  namespaces: [a]
  enforceNamespaces: true
---
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: {name: p}
spec: {cidrs: [192.0.2.0/28]}
---
apiVersion: config.openshift.io/v1
kind: Network
metadata: {name: cluster}
spec: {externalIP: {autoAssignCIDRs: [192.0.2.0/28]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: demo}
spec: {gatewayClassName: a, addresses: [{type: IPAddress, value: 192.0.2.1}], listeners: [{name: a, port: 80, protocol: HTTP}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kubevip, namespace: kube-system}
data: {cidr-global: 192.0.2.0/28, range-global: 192.0.2.1-192.0.2.9, skip-end-ips-in-cidr: "true"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: metallb-system}
data: {config: "address-pools: [{addresses: [192.0.2.0/28]}]"}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s, namespace: demo, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.1]}]
ports: [{port: 80, protocol: TCP}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: web, namespace: demo}
subsets: [{addresses: [{ip: 192.0.2.1}], ports: [{port: 80, protocol: TCP}]}]
`

// TestDeclaredFields changes each field that a claimant reads: every such write is sent,
// but where it can only take a claim away.
func TestDeclaredFields(t *testing.T) {
	objects := map[string]*unstructured.Unstructured{}
	for _, o := range decode(t, full) {
		objects[o.GroupVersionKind().GroupKind().String()+" "+o.GetName()] = o
	}
	tried := 0
	for _, c := range taking() {
		name := map[string]string{"Service": "web", "Gateway": "gw", "EndpointSlice": "s", "Endpoints": "web", "Network": "cluster"}[c.Of.Kind]
		switch {
		case c.Of.Resource == "configmaps":
			name = strings.TrimPrefix(c.Names[0], c.Names[0][:strings.Index(c.Names[0], "/")+1])
		case name == "":
			name = "p"
		}
		o := objects[schema.GroupKind{Group: c.Of.Group, Kind: c.Of.Kind}.String()+" "+name]
		if o == nil {
			t.Errorf("%s: no object of %v", c.Kind, c.Of)
			continue
		}
		for _, field := range declared(c) {
			before := o.DeepCopy()
			now := o.DeepCopy()
			if !changed(now, before, field) {
				t.Errorf("%s: %s: cannot be changed in the test's object", c.Kind, field)
				continue
			}
			tried++
			if !sent(t, request{resource: c.Of.Resource, before: before, now: now}) {
				t.Errorf("%s: a change of %s is not sent", c.Kind, field)
			}
			if sent(t, request{resource: c.Of.Resource, before: now, now: relabelled(now)}) {
				t.Errorf("%s: a label is sent", c.Kind)
			}
		}
		if !sent(t, request{resource: c.Of.Resource, now: enabled(o)}) {
			t.Errorf("%s: a creation is not sent", c.Kind)
		}
	}
	t.Logf("%d fields", tried)
}

// declared are a claimant's fields; those of typed kinds stand in snapshot.OwnReads.
func declared(c *claimants.Claimant) []string {
	if c.Of == snapshot.EndpointSliceKind {
		return []string{"endpoints.addresses", "ports.port", "ports.protocol", "metadata.labels.kubernetes.io/service-name"}
	}
	if c.Of == snapshot.EndpointsKind {
		return []string{"subsets.addresses.ip", "subsets.ports.port", "subsets.ports.protocol"}
	}
	var out []string
	for _, f := range c.Fields {
		out = append(out, strings.TrimSuffix(fieldMarks.ReplaceAllString(f, ""), ".*"))
	}
	return out
}

// fieldMarks are what a declared path says of types.
var fieldMarks = regexp.MustCompile(`\[\]|<(int|bool|scalar|any)>`)

// changed changes one field of now, and of before what has to be otherwise for that.
func changed(now, before *unstructured.Unstructured, field string) bool {
	switch {
	case field == "spec.type":
		return unstructured.SetNestedField(now.Object, "LoadBalancer", "spec", "type") == nil
	case strings.HasSuffix(field, "service-proxy-name"): // taken away, kube-proxy acts on it
		unstructured.RemoveNestedField(now.Object, "metadata", "labels", "service.kubernetes.io/service-proxy-name")
		return true
	case strings.HasSuffix(field, "/*"):
		unstructured.RemoveNestedField(now.Object, "metadata", "annotations", "node-proxy.openelb.kubesphere.io/type")
		return true
	case field == "spec.disabled", field == "spec.disable":
		unstructured.RemoveNestedField(now.Object, strings.Split(field, ".")...)
		return true
	}
	for _, o := range []*unstructured.Unstructured{now, before} { // a pool that is off gains nothing
		unstructured.RemoveNestedField(o.Object, "spec", "disabled")
		unstructured.RemoveNestedField(o.Object, "spec", "disable")
	}
	for _, m := range []string{"labels", "annotations"} {
		if k, ok := strings.CutPrefix(field, "metadata."+m+"."); ok {
			return unstructured.SetNestedField(now.Object, "192.0.2.7", "metadata", m, k) == nil
		}
	}
	if k, ok := strings.CutPrefix(field, "data."); ok {
		k, _, _ = strings.Cut(k, "<yaml>")
		k = strings.Replace(k, "*", "global", 1)
		return unstructured.SetNestedField(now.Object, "other", "data", k) == nil
	}
	return otherwise(now.Object, strings.Split(field, "."))
}

// otherwise changes the leaf at a path, in the first item of each list on the way.
func otherwise(m map[string]any, path []string) bool {
	at, ok := m[path[0]]
	if !ok {
		return false
	}
	if len(path) > 1 {
		if list, ok := at.([]any); ok {
			at = list[0]
		}
		next, ok := at.(map[string]any)
		return ok && otherwise(next, path[1:])
	}
	switch x := at.(type) {
	case bool:
		m[path[0]] = !x
	case int64:
		m[path[0]] = x + 1
	case string:
		m[path[0]] = x + "9"
	case []any:
		m[path[0]] = append(slices.Clone(x), "192.0.2.77")
	case map[string]any:
		m[path[0]] = map[string]any{"other": "other"}
	default:
		return false
	}
	return true
}

func relabelled(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	labels := o.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels["tier"] = "front"
	o.SetLabels(labels)
	o.SetResourceVersion("7")
	return o
}

func enabled(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	unstructured.RemoveNestedField(o.Object, "spec", "disabled")
	unstructured.RemoveNestedField(o.Object, "spec", "disable")
	return o
}

// TestGains: what is sent, and what is not, write by write. The real apiserver says the
// same in TestWebhookInACluster.
func TestGains(t *testing.T) {
	for _, c := range []struct {
		name, before, now string
		sent              bool
	}{
		{"a Service without an address", "", `{kind: Service, spec: {type: ClusterIP, ports: [{port: 80}]}}`, false},
		{"a ClusterIP that is asked for", "", `{kind: Service, spec: {type: ClusterIP, clusterIP: 10.96.0.9, ports: [{port: 80}]}}`, true},
		{"headless", "", `{kind: Service, spec: {clusterIP: None}}`, false},
		{"headless with externalIPs", "", `{kind: Service, spec: {clusterIP: None, externalIPs: [192.0.2.1]}}`, true},
		{"its own Service", "", `{kind: Service, metadata: {name: whohas-guard, namespace: whohas-system}, spec: {clusterIP: 10.96.0.9}}`, false},
		{"its own Service with more", "", `{kind: Service, metadata: {name: whohas-guard, namespace: whohas-system}, spec: {clusterIP: 10.96.0.9, externalIPs: [192.0.2.1]}}`, true},
		{"another one beside it", "", `{kind: Service, metadata: {name: other, namespace: whohas-system}, spec: {clusterIP: 10.96.0.9}}`, true},
		{"its namesake elsewhere", "", `{kind: Service, metadata: {name: whohas-guard, namespace: demo}, spec: {clusterIP: 10.96.0.9}}`, true},
		{"externalIPs taken away", `{kind: Service, spec: {clusterIP: 10.96.0.9, externalIPs: [192.0.2.1, 192.0.2.2]}}`, `{kind: Service, spec: {clusterIP: 10.96.0.9, externalIPs: [192.0.2.2]}}`, false},
		{"the last one taken away", `{kind: Service, spec: {clusterIP: 10.96.0.9, externalIPs: [192.0.2.1]}}`, `{kind: Service, spec: {clusterIP: 10.96.0.9}}`, false},
		{"one for another", `{kind: Service, spec: {externalIPs: [192.0.2.1]}}`, `{kind: Service, spec: {externalIPs: [192.0.2.2]}}`, true},
		{"another order", `{kind: Service, spec: {externalIPs: [192.0.2.1, 192.0.2.2]}}`, `{kind: Service, spec: {externalIPs: [192.0.2.2, 192.0.2.1]}}`, false},
		{"a port taken away", `{kind: Service, spec: {externalIPs: [192.0.2.1], ports: [{port: 80}, {port: 81}]}}`, `{kind: Service, spec: {externalIPs: [192.0.2.1], ports: [{port: 80}]}}`, false},
		{"another target port", `{kind: Service, spec: {externalIPs: [192.0.2.1], ports: [{port: 80, targetPort: 1}]}}`, `{kind: Service, spec: {externalIPs: [192.0.2.1], ports: [{port: 80, targetPort: 2}]}}`, false},
		{"another selector", `{kind: Service, spec: {externalIPs: [192.0.2.1], selector: {a: b}}}`, `{kind: Service, spec: {externalIPs: [192.0.2.1], selector: {a: c}}}`, false},
		{"LoadBalancer to ClusterIP", `{kind: Service, spec: {type: LoadBalancer, externalIPs: [192.0.2.1]}}`, `{kind: Service, spec: {type: ClusterIP, externalIPs: [192.0.2.1]}}`, false},
		{"ExternalName to ClusterIP", `{kind: Service, spec: {type: ExternalName, externalIPs: [192.0.2.1]}}`, `{kind: Service, spec: {type: ClusterIP, externalIPs: [192.0.2.1]}}`, true},
		{"ingress taken away", `{kind: Service, spec: {clusterIP: 10.96.0.9}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}`, `{kind: Service, spec: {clusterIP: 10.96.0.9}, status: {loadBalancer: {}}}`, false},
		{"ingress by name", "", `{kind: Service, spec: {}, status: {loadBalancer: {ingress: [{hostname: a}]}}}`, false},
		{"ipMode Proxy to VIP", `{kind: Service, spec: {}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: Proxy}]}}}`, `{kind: Service, spec: {}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: VIP}]}}}`, true},
		{"the permission", `{kind: Service, spec: {externalIPs: [192.0.2.1]}}`, `{kind: Service, metadata: {annotations: {whohas.io/allow: WH101 reason=x}}, spec: {externalIPs: [192.0.2.1]}}`, true},
		{"the permission taken away", `{kind: Service, metadata: {annotations: {whohas.io/allow: WH101 reason=x}}, spec: {externalIPs: [192.0.2.1]}}`, `{kind: Service, spec: {externalIPs: [192.0.2.1]}}`, false},
		{"owner taken away", `{kind: Service, metadata: {ownerReferences: [{kind: Gateway, name: a, controller: true}]}, spec: {externalIPs: [192.0.2.1]}}`, `{kind: Service, spec: {externalIPs: [192.0.2.1]}}`, true},
		{"the sharing key taken away", `{kind: Service, metadata: {annotations: {metallb.io/allow-shared-ip: a}}, spec: {externalIPs: [192.0.2.1]}}`, `{kind: Service, spec: {externalIPs: [192.0.2.1]}}`, true},
		{"a disabled pool", "", `{kind: CiliumLoadBalancerIPPool, spec: {disabled: true, blocks: [{cidr: 192.0.2.0/28}]}}`, false},
		{"a block taken away", `{kind: CiliumLoadBalancerIPPool, spec: {blocks: [{cidr: 192.0.2.0/28}, {cidr: 192.0.2.32/28}]}}`, `{kind: CiliumLoadBalancerIPPool, spec: {blocks: [{cidr: 192.0.2.0/28}]}}`, false},
		{"a Gateway without an address", "", `{kind: Gateway, spec: {gatewayClassName: a, listeners: [{port: 80}]}}`, false},
		{"routes of a Gateway", `{kind: Gateway, spec: {addresses: [{value: 192.0.2.1}], listeners: [{port: 80}]}}`, `{kind: Gateway, spec: {addresses: [{value: 192.0.2.1}], listeners: [{port: 80, allowedRoutes: {}}]}}`, false},
		{"another ConfigMap", "", `{kind: ConfigMap, metadata: {name: config, namespace: demo}, data: {config: a}}`, false},
		{"a pool of a ConfigMap taken away", `{kind: ConfigMap, metadata: {name: kubevip, namespace: kube-system}, data: {cidr-a: a, cidr-b: b}}`, `{kind: ConfigMap, metadata: {name: kubevip, namespace: kube-system}, data: {cidr-a: a}}`, false},
		{"the ConfigMap's last one", `{kind: ConfigMap, metadata: {name: kubevip, namespace: kube-system}, data: {cidr-a: a}}`, `{kind: ConfigMap, metadata: {name: kubevip, namespace: kube-system}}`, false},
		{"a slice with a controller's name, by somebody", "", `{kind: EndpointSlice, metadata: {labels: {endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io}}, endpoints: [{addresses: [192.0.2.1]}]}`, true},
		{"a slice that somebody owns", "", `{kind: EndpointSlice, metadata: {ownerReferences: [{controller: true}]}, endpoints: [{addresses: [192.0.2.1]}]}`, true},
		{"a slice by the control plane", "", `{kind: EndpointSlice, metadata: {annotations: {by: "system:serviceaccount:kube-system:endpointslice-controller"}}, endpoints: [{addresses: [192.0.2.1]}]}`, false},
		{"a mirror by the control plane", "", `{kind: EndpointSlice, metadata: {annotations: {by: "system:serviceaccount:kube-system:endpointslicemirroring-controller"}}, endpoints: [{addresses: [192.0.2.1]}]}`, false},
		{"a slice by a namesake", "", `{kind: EndpointSlice, metadata: {annotations: {by: "system:serviceaccount:demo:endpointslice-controller"}}, endpoints: [{addresses: [192.0.2.1]}]}`, true},
		{"Endpoints by hand", "", `{kind: Endpoints, subsets: [{addresses: [{ip: 192.0.2.1}], ports: [{port: 80}]}]}`, true},
		{"Endpoints by the control plane", "", `{kind: Endpoints, metadata: {annotations: {by: "system:serviceaccount:kube-system:endpoint-controller"}}, subsets: [{addresses: [{ip: 192.0.2.1}]}]}`, false},
		{"an old leader's lock", `{kind: Endpoints, metadata: {annotations: {control-plane.alpha.kubernetes.io/leader: a}}}`, `{kind: Endpoints, metadata: {annotations: {control-plane.alpha.kubernetes.io/leader: b}}}`, false},
		{"Endpoints emptied", `{kind: Endpoints, subsets: [{addresses: [{ip: 192.0.2.1}]}]}`, `{kind: Endpoints}`, false},
		{"the apiservers' own", "", `{kind: EndpointSlice, metadata: {name: kubernetes, namespace: default}, endpoints: [{addresses: [192.0.2.1]}]}`, false},
		{"a slice that leaves its controller", `{kind: EndpointSlice, metadata: {labels: {endpointslice.kubernetes.io/managed-by: x}}, endpoints: [{addresses: [192.0.2.1]}]}`, `{kind: EndpointSlice, endpoints: [{addresses: [192.0.2.1]}]}`, true},
		{"an endpoint taken away", `{kind: EndpointSlice, endpoints: [{addresses: [192.0.2.1]}, {addresses: [192.0.2.2]}]}`, `{kind: EndpointSlice, endpoints: [{addresses: [192.0.2.1]}]}`, false},
		{"an endpoint that is ready now", `{kind: EndpointSlice, endpoints: [{addresses: [192.0.2.1], conditions: {ready: false}}]}`, `{kind: EndpointSlice, endpoints: [{addresses: [192.0.2.1], conditions: {ready: true}}]}`, false},
	} {
		r := request{before: parse(t, c.before), now: parse(t, c.now)}
		r.resource = map[string]string{"Service": "services", "CiliumLoadBalancerIPPool": "ciliumloadbalancerippools", "Gateway": "gateways", "ConfigMap": "configmaps", "EndpointSlice": "endpointslices", "Endpoints": "endpoints"}[r.now.GetKind()]
		r.by = r.now.GetAnnotations()["by"]
		if got := sent(t, r); got != c.sent {
			t.Errorf("%s: sent: %v, want %v", c.name, got, c.sent)
		}
	}
}

// TestPadded: nobody gets past the conditions with more than their budget pays for.
func TestPadded(t *testing.T) {
	many := func(n int, f func(int) any) []any {
		out := make([]any, n)
		for i := range out {
			out[i] = f(i)
		}
		return out
	}
	ip := func(i int) any { return fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255) }
	ingress := func(i int) any { return map[string]any{"ip": ip(i)} }
	port := func(i int) any { return map[string]any{"port": int64(i + 1)} }
	slice := func(i int) any {
		return map[string]any{"addresses": many(100, func(j int) any { return ip(100*i + j) })}
	}
	for _, c := range []struct {
		resource string
		path     []string
		item     func(int) any
		most     int
	}{
		{"services", []string{"spec", "externalIPs"}, ip, 20000},
		{"services", []string{"status", "loadBalancer", "ingress"}, ingress, 20000},
		{"services", []string{"spec", "ports"}, port, 5000},
		{"ipaddresspools", []string{"spec", "addresses"}, ip, 20000},
		{"gateways", []string{"spec", "addresses"}, func(i int) any { return map[string]any{"value": ip(i)} }, 5000},
		{"endpointslices", []string{"endpoints"}, slice, 1000},
	} {
		for _, n := range []int{1, 49, 50, 51, 1001, c.most} {
			for _, was := range []int{1, 49, 50, 51, c.most} {
				// The last of the new ones is the one that was not there.
				list := append(many(min(n, was)-1, c.item), c.item(c.most+7))
				o := func(items []any) *unstructured.Unstructured {
					u := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "x", "namespace": "demo"}, "spec": map[string]any{"loadBalancerIP": "192.0.2.1"}}}
					if err := unstructured.SetNestedSlice(u.Object, items, c.path...); err != nil {
						t.Fatal(err)
					}
					return u
				}
				if !sent(t, request{resource: c.resource, before: o(many(was, c.item)), now: o(list)}) {
					t.Errorf("%s %v: %d of which one is new, after %d: not sent", c.resource, c.path, len(list), was)
				}
			}
		}
	}
}

// TestPaddedTogether: nor with long lists in all places of a Service at once.
func TestPaddedTogether(t *testing.T) {
	service := func(n int, last int64) *unstructured.Unstructured {
		var external, ingress, ports []any
		for i := range n {
			ip := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
			external, ingress, ports = append(external, ip), append(ingress, map[string]any{"ip": ip}), append(ports, map[string]any{"port": int64(i + 1)})
		}
		ports[n-1] = map[string]any{"port": last}
		return &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"name": "x", "namespace": "demo"},
			"spec":     map[string]any{"externalIPs": external, "ports": ports}, "status": map[string]any{"loadBalancer": map[string]any{"ingress": ingress}},
		}}
	}
	for _, was := range []int{50, 51, 1000, 20000} {
		for last, want := range map[int64]bool{60000: true, 50: false} { // a new port; nothing but fewer of all
			if got := sent(t, request{resource: "services", before: service(was, int64(was)), now: service(50, last)}); got != want {
				t.Errorf("50 of each after %d, the last port %d: sent: %v", was, last, got)
			}
		}
	}
}

type request struct {
	resource    string
	before, now *unstructured.Unstructured
	by          string // who writes
}

func parse(tb testing.TB, text string) *unstructured.Unstructured {
	tb.Helper()
	if text == "" {
		return nil
	}
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		tb.Fatal(err)
	}
	if o.GetName() == "" {
		o.SetName("x")
		o.SetNamespace("demo")
	}
	return o
}

// sent asks the conditions as an apiserver does, with failurePolicy Ignore: what cannot
// be evaluated is not sent.
func sent(tb testing.TB, r request) bool {
	tb.Helper()
	w := one(tb, func(w webhook.WebhookAccessor) bool {
		return slices.ContainsFunc(w.GetRules(), func(x v1.RuleWithOperations) bool { return slices.Contains(x.Resources, r.resource) })
	})
	operation := admission.Update
	var old runtime.Object
	if r.before == nil {
		operation = admission.Create
	} else {
		old = r.before
	}
	gvk := r.now.GroupVersionKind()
	a := admission.NewAttributesRecord(r.now, old, gvk, r.now.GetNamespace(), r.now.GetName(), schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: r.resource}, "", operation, nil, false, &user.DefaultInfo{Name: orJane(r.by)})
	m := w.GetCompiledMatcher(compiler).Match(context.Background(), &admission.VersionedAttributes{Attributes: a, VersionedKind: gvk, VersionedObject: admission.NewLazyObject(r.now), VersionedOldObject: admission.NewLazyObject(old)}, nil, nil)
	if m.Error != nil {
		tb.Fatal(m.Error)
	}
	return m.Matches
}

// hooks are the base's webhooks, compiled as apiservers from 1.30 on do: the first in which
// match conditions are no beta take the expressions of the version before their own.
var hooks = sync.OnceValues(func() ([]webhook.WebhookAccessor, error) {
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "base")
	if err != nil {
		return nil, err
	}
	var out []webhook.WebhookAccessor
	for _, r := range m.Resources() {
		if r.GetKind() != "ValidatingWebhookConfiguration" {
			continue
		}
		text, err := r.AsYAML()
		if err != nil {
			return nil, err
		}
		var c v1.ValidatingWebhookConfiguration
		if err := yaml.UnmarshalStrict(text, &c); err != nil {
			return nil, err
		}
		for i := range c.Webhooks {
			out = append(out, webhook.NewValidatingWebhookAccessor(c.Webhooks[i].Name, c.Name, &c.Webhooks[i]))
		}
	}
	return out, nil
})

var compiler = cel.NewConditionCompiler(environment.MustBaseEnvSet(version.MajorMinor(1, 29)))

func one(tb testing.TB, is func(webhook.WebhookAccessor) bool) webhook.WebhookAccessor {
	tb.Helper()
	all, err := hooks()
	if err != nil {
		tb.Fatal(err)
	}
	i := slices.IndexFunc(all, is)
	if i < 0 {
		tb.Fatal("no such webhook")
	}
	return all[i]
}

func named(tb testing.TB, name string) webhook.WebhookAccessor {
	tb.Helper()
	return one(tb, func(w webhook.WebhookAccessor) bool { return w.GetName() == name })
}

// orJane: an apiserver always knows who asks.
func orJane(by string) string {
	if by == "" {
		return "jane"
	}
	return by
}
