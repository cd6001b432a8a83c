// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// everywhere are namespaces that every cluster has, so that a Role can stand there.
var everywhere = []string{"kube-system", "kube-public", "default"}

// beside are the namespaces that a cluster may have, with the component that lets the guard
// read there. Of the others it may ask whether they are there.
var beside = map[string]string{"metallb-system": "overlays/metallb-configmap", "kube-flannel": "overlays/flannel-configmap"}

// TestRBAC holds what the guard may read against what the program declares that it reads:
// nothing is missing, and nothing is there that nobody reads.
func TestRBAC(t *testing.T) {
	r := reads(t)
	for _, form := range forms {
		want, got := map[string]bool{}, map[string]bool{}
		for _, k := range served(r) {
			names := r.Names(k)
			if names == nil {
				want[may("", k.Group, k.Resource, "")] = true
			}
			for _, n := range names {
				ns, only, _ := strings.Cut(n, "/")
				switch {
				case ns == "", slices.Contains(everywhere, ns), beside[ns] == form.dir:
					want[may(ns, k.Group, k.Resource, only)] = true
				case beside[ns] == "":
					t.Errorf("nothing lets the guard read %s", n)
				}
			}
		}
		for _, role := range roles(t, build(t, form.dir), "whohas-guard-read") {
			for _, r := range role.rules {
				if diff := cmp.Diff([]string{"get", "list", "watch"}, r.Verbs); diff != "" {
					t.Errorf("%s: %v: %s", form.dir, r, diff)
				}
				each(r, func(group, resource, name string) { got[may(role.namespace, group, resource, name)] = true })
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -declared +allowed:\n%s", form.dir, diff)
		}
	}
}

// TestRBACIsNarrow: no wildcard, no escalation, and of what is written only what bears the
// guard's own name, but for what is created, which has no name yet.
func TestRBACIsNarrow(t *testing.T) {
	unnamed := []string{"events", "subjectaccessreviews"}
	for _, form := range forms {
		for _, role := range append(roles(t, build(t, form.dir), name), roles(t, build(t, form.dir), "whohas-guard-read")...) {
			for _, r := range role.rules { // who may change a webhook sees, and stops, every write
				if slices.Contains(r.APIGroups, "admissionregistration.k8s.io") && !slices.Equal(r.Verbs, []string{"get"}) || slices.Contains(r.Resources, "secrets") {
					t.Errorf("%s: %v", form.dir, r)
				}
			}
			for _, r := range role.rules {
				for _, x := range slices.Concat(r.APIGroups, r.Resources, r.Verbs) {
					if strings.Contains(x, "*") || slices.Contains([]string{"escalate", "bind", "impersonate", "delete", "deletecollection", "override"}, x) {
						t.Errorf("%s: %s %v", form.dir, role.namespace, r)
					}
				}
				for _, v := range r.Verbs {
					write := !slices.Contains([]string{"get", "list", "watch", "create"}, v)
					if write && len(r.ResourceNames) == 0 && !slices.Contains(unnamed, r.Resources[0]) {
						t.Errorf("%s: %s of any %v", form.dir, v, r.Resources)
					}
				}
			}
		}
	}
}

// TestOverrideIsBoundToNobody: who may excuse a finding is for the cluster's owner to say.
func TestOverrideIsBoundToNobody(t *testing.T) {
	for _, form := range forms {
		objects := build(t, form.dir)
		override := as[rbac.ClusterRole](t, find(t, objects, "ClusterRole", "whohas-override"))
		if diff := cmp.Diff([]rbac.PolicyRule{{Verbs: []string{"override"}, APIGroups: []string{"whohas.io"}, Resources: []string{"claims"}}}, override.Rules); diff != "" {
			t.Error(diff)
		}
		for _, o := range objects {
			if ref, _, _ := unstructured.NestedString(o.Object, "roleRef", "name"); ref == "whohas-override" {
				t.Errorf("%s: %s binds it", form.dir, key(o))
			}
		}
	}
}

// certificateRole is the name of the account, and of the roles, that make the certificate.
const certificateRole = "whohas-guard-certificate"

// TestBindings: each role is bound to the guard's account, or to that which makes the
// certificate, and to nobody else.
func TestBindings(t *testing.T) {
	for _, form := range forms {
		bound := map[string]int{}
		for _, o := range build(t, form.dir) {
			if o.GetKind() != "ClusterRoleBinding" && o.GetKind() != "RoleBinding" {
				continue
			}
			b := as[rbac.RoleBinding](t, o) // both have the same fields
			bound[strings.TrimSuffix(o.GetKind(), "Binding")+" "+o.GetNamespace()+"/"+b.RoleRef.Name]++
			to := name
			if b.RoleRef.Name == certificateRole {
				to = certificateRole
			}
			if diff := cmp.Diff([]rbac.Subject{{Kind: "ServiceAccount", Name: to, Namespace: namespace}}, b.Subjects); diff != "" {
				t.Errorf("%s: %s: %s", form.dir, key(o), diff)
			}
		}
		want := map[string]int{"ClusterRole /whohas-guard": 1, "ClusterRole /whohas-guard-read": 1, "Role whohas-system/whohas-guard": 1}
		if !strings.HasSuffix(form.dir, "cert-manager") {
			want["ClusterRole /"+certificateRole], want["Role whohas-system/"+certificateRole] = 1, 1
		}
		for ns, dir := range beside {
			if dir == form.dir {
				want["Role "+ns+"/whohas-guard-read"] = 1
			}
		}
		for _, ns := range everywhere {
			want["Role "+ns+"/whohas-guard-read"] = 1
		}
		if diff := cmp.Diff(want, bound); diff != "" {
			t.Errorf("%s: %s", form.dir, diff)
		}
	}
}

type role struct {
	namespace string
	rules     []rbac.PolicyRule
}

func roles(tb testing.TB, objects []*unstructured.Unstructured, name string) []role {
	tb.Helper()
	var out []role
	for _, o := range objects {
		if o.GetName() == name && (o.GetKind() == "ClusterRole" || o.GetKind() == "Role") {
			out = append(out, role{o.GetNamespace(), as[rbac.Role](tb, withoutAggregation(o)).Rules})
		}
	}
	if len(out) == 0 {
		tb.Fatalf("no role %s", name)
	}
	return out
}

func withoutAggregation(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	delete(o.Object, "aggregationRule")
	return o
}

func each(r rbac.PolicyRule, f func(group, resource, name string)) {
	names := r.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, g := range r.APIGroups {
		for _, x := range r.Resources {
			for _, n := range names {
				f(g, x, n)
			}
		}
	}
}

func may(namespace, group, resource, name string) string {
	return fmt.Sprintf("%s.%s name=%q in %q", resource, group, name, namespace)
}
