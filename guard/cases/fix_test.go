// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"whohas/testkit/apiserver"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// What stands before a fix: an old conflict, made while nobody guarded.
const (
	claiming = `{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: demo, labels: {tier: a}}, spec: {selector: {a: b},
  externalIPs: [192.168.10.114, 192.168.10.115], ports: [{name: a, port: 80}, {name: b, port: 22}]}}`
	less      = `{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: demo, labels: {tier: a}}, spec: {selector: {a: b}, externalIPs: [192.168.10.114], ports: [{name: a, port: 80}, {name: b, port: 22}]}}`
	fixed     = `{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: demo, labels: {tier: a}}, spec: {selector: {a: b}, ports: [{name: a, port: 80}, {name: b, port: 22}]}}`
	balancing = `{apiVersion: v1, kind: Service, metadata: {name: %s, namespace: demo, annotations: {metallb.io/loadBalancerIPs: 192.168.10.115}},
  spec: {type: LoadBalancer, loadBalancerIP: 192.168.10.114, ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 192.168.10.114}, {ip: 192.168.10.115}]}}}`
	pool = `{apiVersion: metallb.io/v1beta1, kind: IPAddressPool, metadata: {name: %s, namespace: demo}, spec: {addresses: [192.168.10.112/29, 192.168.10.200/29]}}`
)

// long is claiming with more addresses than are compared one by one.
func long() string {
	var more []string
	for i := range 60 {
		more = append(more, fmt.Sprintf("10.7.0.%d", i+1))
	}
	return strings.Replace(claiming, "192.168.10.115]", "192.168.10.115, "+strings.Join(more, ", ")+"]", 1)
}

func longStatus() string {
	var more []string
	for i := range 60 {
		more = append(more, fmt.Sprintf("{ip: 10.7.0.%d}", i+1))
	}
	return strings.Replace(balancing, "{ip: 192.168.10.115}]", "{ip: 192.168.10.115}, "+strings.Join(more, ", ")+"]", 1)
}

// fix is a write that takes a claim away, or leaves it as it is.
type fix struct {
	name, before string
	by           string // how before was written: "" by a PUT, "apply" or "server-side"
	tool         bool   // it is kubectl's
	do           func(ctx context.Context, c *apiCluster, o *unstructured.Unstructured) error
}

func fixes() []fix {
	return []fix{
		{name: "deleted", before: claiming, do: func(ctx context.Context, c *apiCluster, o *unstructured.Unstructured) error {
			return (&stage{apiCluster: c}).take(ctx, o)
		}},
		{name: "field removed, merge patch", before: claiming, do: patched(types.MergePatchType, `{"spec":{"externalIPs":null}}`)},
		{name: "field removed, strategic patch", before: claiming, do: patched(types.StrategicMergePatchType, `{"spec":{"externalIPs":null}}`)},
		{name: "field removed, JSON patch", before: claiming, do: patched(types.JSONPatchType, `[{"op":"remove","path":"/spec/externalIPs"}]`)},
		{name: "field removed, kubectl apply", before: claiming, by: "apply", tool: true, do: kubectl(fixed, "apply", "-f", "-")},
		{name: "field removed, kubectl replace", before: claiming, tool: true, do: kubectl(fixed, "replace", "-f", "-")},
		{name: "field removed, server-side apply", before: claiming, by: "server-side", tool: true, do: kubectl(fixed, "apply", "--server-side", "-f", "-")},
		{name: "list shorter, merge patch", before: claiming, do: patched(types.MergePatchType, `{"spec":{"externalIPs":["192.168.10.115"]}}`)},
		{name: "list shorter, JSON patch", before: claiming, do: patched(types.JSONPatchType, `[{"op":"remove","path":"/spec/externalIPs/0"}]`)},
		{name: "list shorter, kubectl apply", before: claiming, by: "apply", tool: true, do: kubectl(less, "apply", "-f", "-")},
		{name: "list shorter, server-side apply", before: claiming, by: "server-side", tool: true, do: kubectl(less, "apply", "--server-side", "-f", "-")},
		{name: "long list emptied", before: long(), do: patched(types.MergePatchType, `{"spec":{"externalIPs":null}}`)},
		{name: "long list cut", before: long(), do: patched(types.MergePatchType, `{"spec":{"externalIPs":["10.7.0.1","10.7.0.2"]}}`)},
		{name: "long status emptied", before: longStatus(), do: patched(types.MergePatchType, `{"status":{"loadBalancer":null}}`, "status")},
		{name: "fewer ports", before: claiming, do: patched(types.JSONPatchType, `[{"op":"remove","path":"/spec/ports/1"}]`)},
		{name: "a label", before: claiming, do: patched(types.MergePatchType, `{"metadata":{"labels":{"tier":"b"}}}`)},
		{name: "a selector", before: claiming, do: patched(types.MergePatchType, `{"spec":{"selector":{"a":"c"}}}`)},
		{name: "a finalizer", before: claiming, do: patched(types.MergePatchType, `{"metadata":{"finalizers":["example.org/a"]}}`)},
		{name: "kubectl annotate", before: claiming, tool: true, do: kubectl("", "-n", "demo", "annotate", "service", "%s", "note=x")},
		{name: "request removed", before: balancing, do: patched(types.MergePatchType, `{"spec":{"loadBalancerIP":null},"metadata":{"annotations":{"metallb.io/loadBalancerIPs":null}}}`)},
		{name: "no load balancer any more", before: balancing, do: patched(types.MergePatchType, `{"spec":{"type":"ClusterIP"}}`)},
		{name: "status emptied", before: balancing, do: patched(types.MergePatchType, `{"status":{"loadBalancer":null}}`, "status")},
		{name: "status shorter", before: balancing, do: patched(types.MergePatchType, `{"status":{"loadBalancer":{"ingress":[{"ip":"192.168.10.115"}]}}}`, "status")},
		{name: "pool deleted", before: pool, do: func(ctx context.Context, c *apiCluster, o *unstructured.Unstructured) error {
			return (&stage{apiCluster: c}).take(ctx, o)
		}},
		{name: "pool loses a range", before: pool, do: patched(types.MergePatchType, `{"spec":{"addresses":["192.168.10.200/29"]}}`)},
		{name: "pool smaller in place", before: pool, do: patched(types.MergePatchType, `{"spec":{"addresses":["192.168.10.112/30","192.168.10.200/29"]}}`)},
		{name: "pool gets a label", before: pool, do: patched(types.MergePatchType, `{"metadata":{"labels":{"tier":"b"}}}`)},
	}
}

func patched(kind types.PatchType, text string, sub ...string) func(context.Context, *apiCluster, *unstructured.Unstructured) error {
	return func(ctx context.Context, c *apiCluster, o *unstructured.Unstructured) error {
		at, err := c.resource(o)
		if err != nil {
			return err
		}
		_, err = at.Patch(ctx, o.GetName(), kind, []byte(text), metav1.PatchOptions{}, sub...)
		return err
	}
}

// kubectl runs it on an object, whose name stands for %s.
func kubectl(stdin string, args ...string) func(context.Context, *apiCluster, *unstructured.Unstructured) error {
	return func(_ context.Context, c *apiCluster, o *unstructured.Unstructured) error {
		var filled []string
		for _, a := range args {
			filled = append(filled, strings.ReplaceAll(a, "%s", o.GetName()))
		}
		_, err := c.KubectlAs(apiserver.Admin, strings.ReplaceAll(stdin, "%s", o.GetName()), filled...)
		return err
	}
}

// state is one in which the guard may be.
type state struct {
	name  string
	early func(*apiCluster, *testing.T) // before the conflicts are made
	enter func(*apiCluster, *testing.T) // its cleanups end it
	stuck []string                      // fixes that do not pass, which docs/ tells
	asked bool                          // a guard is asked about the fixes
	tools bool                          // kubectl's ways of writing as well, which take their time
}

// TestCures: in whatever state the guard is, what ends a conflict passes, and so does what
// has nothing to do with it. deploy/cluster_test.go ("dead/") has the conditions of the
// webhook one by one; here are the ways of writing, and the ways to break.
func TestCures(t *testing.T) {
	c := start(t)
	c.Kubectl("create", "namespace", "demo")
	c.Kubectl("create", "namespace", "whohas-system")
	for _, s := range append(webhookStates(), policyStates()...) {
		t.Run(s.name, func(t *testing.T) { c.with(t).survive(t, s) })
	}
}

// survive makes conflicts, enters a state, and fixes them.
func (c *apiCluster) survive(t *testing.T, s state) {
	c.nodes(t)
	if s.early != nil {
		s.early(c, t)
	}
	sick := &stage{apiCluster: c}
	t.Cleanup(func() { sick.strike(context.Background(), t, "conflicts") })
	list := slices.DeleteFunc(fixes(), func(x fix) bool { return x.tool && !s.tools })
	var objects []*unstructured.Unstructured
	for i, x := range list {
		objects = append(objects, sick.conflict(t, x, fmt.Sprintf("sick-%d", i)))
	}
	s.enter(c, t)
	c.front.drain()
	for i, x := range list {
		t.Run(strings.ReplaceAll(x.name, " ", "-"), func(t *testing.T) {
			err := x.do(t.Context(), c.with(t), objects[i])
			if stuck := slices.Contains(s.stuck, x.name); (err != nil) != stuck {
				t.Errorf("refused: %v, expected %v", err, stuck)
			}
		})
	}
	if asked := len(c.front.drain()); s.asked && asked < len(list)-2 { // two are deletions
		t.Errorf("a guard was asked about %d of %d fixes", asked, len(list))
	}
}

// nodes are those of the incident, until the test ends.
func (c *apiCluster) nodes(t *testing.T) {
	t.Helper()
	s := &stage{apiCluster: c}
	t.Cleanup(func() { s.strike(context.Background(), t, "nodes") })
	for _, o := range incident(t).objects {
		if o.GetKind() != "Node" {
			continue
		}
		if err := s.put(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// conflict makes what a fix ends.
func (s *stage) conflict(t *testing.T, x fix, name string) *unstructured.Unstructured {
	t.Helper()
	text := fmt.Sprintf(x.before, name)
	objects, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	switch x.by {
	case "apply":
		s.KubectlInput(text, "apply", "-f", "-")
	case "server-side":
		s.KubectlInput(text, "apply", "--server-side", "-f", "-")
	default:
		if err := s.put(t.Context(), objects[0]); err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
	}
	s.made = append(s.made, objects[0])
	return objects[0]
}

// harm is the incident's claim as a dry run, which nobody guards against if it passes.
func (c *apiCluster) harm(ctx context.Context, ip string) error {
	objects, err := decode(fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {name: harm, namespace: demo}, spec: {externalIPs: [%s], ports: [{port: 80}]}}`, ip))
	if err != nil {
		return err
	}
	at, err := c.resource(objects[0])
	if err != nil {
		return err
	}
	_, err = at.Create(ctx, objects[0], metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// refuses waits until the incident's claim is refused for a reason, or passes if there is
// none.
func (c *apiCluster) refuses(t *testing.T, ip, why string) {
	t.Helper()
	apiserver.Eventually(t, func() error {
		err := c.harm(t.Context(), ip)
		if why == "" || err != nil && strings.Contains(err.Error(), why) {
			return nilOr(why == "", err)
		}
		return fmt.Errorf("not refused for %q: %w", why, err)
	})
}

func nilOr(keep bool, err error) error {
	if keep {
		return err
	}
	return nil
}
