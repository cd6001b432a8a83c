// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"whohas/snapshot"
)

var (
	service = snapshot.Kind{Kind: "Service", Resource: "services", Namespaced: true}
	pool    = snapshot.Kind{Group: "metallb.io", Kind: "IPAddressPool", Resource: "ipaddresspools", Namespaced: true}
)

// exported compares what others see of a Snapshot.
var exported = cmp.Options{cmpopts.IgnoreUnexported(snapshot.Snapshot{}), cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()}

func object(k snapshot.Kind, name, file string, line int, root snapshot.Value) *snapshot.Object {
	return &snapshot.Object{Ref: k.Ref("demo", name), Version: "v1", File: file, Line: line, Root: root}
}

func pod(name, phase string, more ...any) *snapshot.Object {
	return object(snapshot.PodKind, name, "", 0, fields(append([]any{"status", fields("phase", phase, "podIP", "10.0.0.1")}, more...)...))
}

func lined(s string, line int32) snapshot.Value {
	return snapshot.Value{Kind: snapshot.String, Text: s, Line: line}
}

// adds are all sorts of things to gather: some twice, some twice but for one
// field. What they keep is asked for in TestBuilder.
var adds = []func(*snapshot.Builder){
	func(b *snapshot.Builder) { b.Add(object(service, "a", "a.yaml", 1, fields("x", "1"))) },
	func(b *snapshot.Builder) { b.Add(object(service, "a", "a.yaml", 1, fields("x", "1"))) },
	func(b *snapshot.Builder) { b.Add(object(service, "a", "a.yaml", 1, fields("x", "2"))) },
	func(b *snapshot.Builder) { b.Add(object(service, "a", "a.yaml", 9, fields("x", "1"))) },
	func(b *snapshot.Builder) { b.Add(object(service, "a", "b.yaml", 1, fields("x", "1"))) },
	func(b *snapshot.Builder) { b.Add(object(service, "b", "a.yaml", 1, texts("x"))) },
	func(b *snapshot.Builder) { b.Add(object(pool, "a", "a.yaml", 1, fields("x", "1"))) },
	func(b *snapshot.Builder) {
		o := object(pool, "a", "a.yaml", 1, fields("x", "1"))
		o.Version = "v1beta1"
		b.Add(o)
	},
	func(b *snapshot.Builder) { b.Add(pod("a", "Running")) },
	func(b *snapshot.Builder) { b.Add(pod("a", "Running")) },
	func(b *snapshot.Builder) { b.Add(pod("a", "Succeeded")) },
	func(b *snapshot.Builder) {
		b.Add(pod("configured", "Running", "spec", fields("containers", list(fields("args", texts("--x"))))))
	},
	func(b *snapshot.Builder) { b.AddPod(snapshot.Pod{Namespace: "demo", Name: "a"}) },
	func(b *snapshot.Builder) { b.AddPod(snapshot.Pod{Namespace: "demo", Name: "a", HostNetwork: true}) },
	func(b *snapshot.Builder) { b.AddPod(snapshot.Pod{Namespace: "demo", Name: "a", Node: "n1"}) },
	func(b *snapshot.Builder) { b.AddPod(snapshot.Pod{Namespace: "demo", Name: "a", Node: "n2"}) },
	func(b *snapshot.Builder) {
		b.AddPod(snapshot.Pod{Namespace: "demo", Name: "a", IPs: []netip.Addr{netip.IPv6Unspecified()}})
	},
	func(b *snapshot.Builder) {
		b.AddPod(snapshot.Pod{Namespace: "demo", Name: "a", HostPorts: []snapshot.HostPort{{Port: snapshot.Port{Number: 1}}}})
	},
	func(b *snapshot.Builder) {
		b.AddPod(snapshot.Pod{Namespace: "demo", Name: "a", HostPorts: []snapshot.HostPort{{Port: snapshot.Port{Number: 1}, IP: netip.IPv6Unspecified()}}})
	},
	func(b *snapshot.Builder) { b.AddPod(snapshot.Pod{Namespace: "demo", Name: "a", Finished: true}) },
	func(b *snapshot.Builder) { b.AddSlice(snapshot.EndpointSlice{}) },
	func(b *snapshot.Builder) { b.AddSlice(snapshot.EndpointSlice{Service: "a"}) },
	func(b *snapshot.Builder) { b.AddSlice(snapshot.EndpointSlice{Service: "a"}) },
	func(b *snapshot.Builder) { b.AddSlice(snapshot.EndpointSlice{ManagedBy: "a"}) },
	func(b *snapshot.Builder) { b.AddSlice(snapshot.EndpointSlice{Created: "a"}) },
	func(b *snapshot.Builder) {
		b.AddSlice(snapshot.EndpointSlice{Ports: []snapshot.Port{{Proto: "TCP", Number: 1}}})
	},
	func(b *snapshot.Builder) {
		b.AddSlice(snapshot.EndpointSlice{Ports: []snapshot.Port{{Proto: "UDP", Number: 1}}})
	},
	func(b *snapshot.Builder) {
		b.AddSlice(snapshot.EndpointSlice{Addresses: []netip.Addr{netip.IPv6Unspecified()}})
	},
	func(b *snapshot.Builder) { b.AddSlice(snapshot.EndpointSlice{Controller: service.Ref("demo", "a")}) },
	func(b *snapshot.Builder) { b.AddObject(object(snapshot.PodKind, "typed", "", 0, fields("x", "1"))) },
	func(b *snapshot.Builder) {
		b.Cover(snapshot.Coverage{Source: "services", Status: snapshot.StatusRead, Count: 2})
	},
	func(b *snapshot.Builder) {
		b.Cover(snapshot.Coverage{Source: "services", Status: snapshot.StatusRead, Count: 3, Complete: true})
	},
	func(b *snapshot.Builder) {
		b.Cover(snapshot.Coverage{Source: "services", Status: snapshot.StatusRead, Count: 1, Failed: true})
	},
	func(b *snapshot.Builder) {
		b.Cover(snapshot.Coverage{Source: "services", Status: snapshot.StatusDenied, Detail: "forbidden"})
	},
	func(b *snapshot.Builder) {
		b.Cover(snapshot.Coverage{Source: "a.yaml", Status: snapshot.StatusUnreadable, Detail: "bad", Line: 7})
	},
	func(b *snapshot.Builder) {
		b.Cover(snapshot.Coverage{Source: "a.yaml", Status: snapshot.StatusUnreadable, Detail: "bad", Line: 3})
	},
}

func built(order []int) *snapshot.Snapshot {
	var b snapshot.Builder
	for _, i := range order {
		adds[i](&b)
	}
	return b.Snapshot()
}

// TestBuilderOrder gathers the same things in any order: the Snapshot is the same.
func TestBuilderOrder(t *testing.T) {
	order := make([]int, len(adds))
	for i := range order {
		order[i] = i
	}
	want := built(order)
	rapid.Check(t, func(t *rapid.T) {
		got := built(rapid.Permutation(order).Draw(t, "order"))
		if diff := cmp.Diff(want, got, exported); diff != "" {
			t.Fatalf("the order of adding shows: (-want +got)\n%s", diff)
		}
	})
}

func TestBuilder(t *testing.T) {
	var order []int
	for i := range adds {
		order = append(order, i)
	}
	s := built(order)
	type place struct {
		Ref     snapshot.Ref
		Version string
		File    string
		Line    int
		X       string
	}
	var got []place
	for _, o := range s.Objects {
		got = append(got, place{o.Ref, o.Version, o.File, o.Line, o.Field("x").Text()})
	}
	a := service.Ref("demo", "a")
	want := []place{
		{pool.Ref("demo", "a"), "v1", "a.yaml", 1, "1"},
		{snapshot.PodKind.Ref("demo", "configured"), "v1", "", 0, ""}, {snapshot.PodKind.Ref("demo", "typed"), "v1", "", 0, "1"},
		{a, "v1", "a.yaml", 1, "1"}, {a, "v1", "a.yaml", 1, "2"}, {a, "v1", "a.yaml", 9, "1"}, {a, "v1", "b.yaml", 1, "1"},
		{service.Ref("demo", "b"), "v1", "a.yaml", 1, ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects: (-want +got)\n%s", diff)
	}
	if n := len(s.Pods); n != 11 { // one of 12 is the same twice
		t.Errorf("%d pods, want 11: %+v", n, s.Pods)
	}
	if n := len(s.Slices); n != 8 { // one of 9
		t.Errorf("%d slices, want 8: %+v", n, s.Slices)
	}
	if s.Count() != 11+8+6 { // a Pod's tree is no object more
		t.Errorf("%d objects in all, want 25", s.Count())
	}
	coverage := []snapshot.Coverage{
		{Source: "a.yaml", Status: snapshot.StatusUnreadable, Detail: "bad", Line: 3},
		{Source: "a.yaml", Status: snapshot.StatusUnreadable, Detail: "bad", Line: 7},
		{Source: "services", Status: snapshot.StatusDenied, Detail: "forbidden"},
		{Source: "services", Status: snapshot.StatusRead, Count: 6, Complete: true, Failed: true},
	}
	if diff := cmp.Diff(coverage, s.Coverage); diff != "" {
		t.Errorf("coverage: (-want +got)\n%s", diff)
	}
	if len(s.Kind(service)) != 5 || len(s.Kind(pool)) != 1 || len(s.Kind(snapshot.Kind{Kind: "Node"})) != 0 {
		t.Errorf("by kind: %v, %v", s.Kind(service), s.Kind(pool))
	}
	if len(s.Of(a)) != 4 || s.First(a) != s.Of(a)[0] || s.First(service.Ref("", "a")) != nil {
		t.Errorf("%v: %v, first %v", a, s.Of(a), s.First(a))
	}
	if !s.Failed() || new(snapshot.Snapshot).Failed() {
		t.Error("Failed does not follow the coverage")
	}
}

func TestComplete(t *testing.T) {
	line := func(source string, status snapshot.Status, complete bool) snapshot.Coverage {
		return snapshot.Coverage{Source: source, Status: status, Complete: complete}
	}
	for _, tt := range []struct {
		name  string
		lines []snapshot.Coverage
		want  bool
	}{
		{"nothing", nil, false},
		{"read, not all", []snapshot.Coverage{line("services", snapshot.StatusRead, false)}, false},
		{"read, all", []snapshot.Coverage{line("services", snapshot.StatusRead, true)}, true},
		{"a file beside it", []snapshot.Coverage{line("services", snapshot.StatusRead, false), line("services", snapshot.StatusRead, true)}, true},
		{"absent", []snapshot.Coverage{line("services", snapshot.StatusAbsent, true)}, true},
		{"denied beside it", []snapshot.Coverage{line("services", snapshot.StatusRead, true), line("services", snapshot.StatusDenied, false)}, false},
		{"part beside it", []snapshot.Coverage{line("services", snapshot.StatusRead, true), line("services", snapshot.StatusPartial, true)}, false},
		{"another kind", []snapshot.Coverage{line("ipaddresspools.metallb.io", snapshot.StatusRead, true)}, false},
	} {
		var b snapshot.Builder
		for _, c := range tt.lines {
			b.Cover(c)
		}
		if got := b.Snapshot().Complete(service); got != tt.want {
			t.Errorf("%s: Complete = %v, want %v", tt.name, got, tt.want)
		}
	}
	var b snapshot.Builder
	b.Cover(line("ipaddresspools.metallb.io", snapshot.StatusRead, true))
	if !b.Snapshot().Complete(pool) {
		t.Error("a kind with a group is not found in the coverage")
	}
}

func TestTyped(t *testing.T) {
	owner := fields("apiVersion", "apps/v1", "kind", "ReplicaSet", "name", "web", "controller", snapshot.Value{Kind: snapshot.Bool, Text: "true"})
	node := fields("apiVersion", "v1", "kind", "Node", "name", "n1")
	var b snapshot.Builder
	b.Add(object(snapshot.PodKind, "web", "a.yaml", 1, fields(
		"metadata", fields("ownerReferences", list(node, owner)),
		"spec", fields("nodeName", "n1", "hostNetwork", "true", "containers", list(fields("ports", list(
			fields("hostPort", "80"),
			fields("hostPort", "53", "protocol", "udp", "hostIP", "0.0.0.0"),
			fields("hostPort", "54", "hostIP", "192.0.2.1"),
			fields("hostPort", "65536"), fields("hostPort", "0"), fields("containerPort", "81"),
		)))),
		"status", fields("phase", "Running", "podIP", lined("10.0.0.1", 42), "podIPs", list(
			fields("ip", "10.0.0.1"), fields("ip", "FD00::1"), fields("ip", "none"))),
	)))
	b.Add(object(snapshot.EndpointSliceKind, "web-x", "a.yaml", 60, fields(
		"metadata", fields("creationTimestamp", "2026-01-01T00:00:00Z", "labels", fields(
			"kubernetes.io/service-name", "web", "endpointslice.kubernetes.io/managed-by", "me")),
		"endpoints", list(fields("addresses", list(text("db.example"), lined("10.0.0.1", 66))), fields("addresses", texts("fd00::1"))),
		"ports", list(fields("port", "80"), fields("port", "53", "protocol", "UDP"), fields("name", "all")),
	)))
	b.Add(object(snapshot.EndpointsKind, "old", "a.yaml", 80, fields("subsets", list(fields(
		"addresses", list(fields("ip", lined("10.0.0.2", 85))), "ports", list(fields("port", "6443")))))))
	want := &snapshot.Snapshot{
		Pods: []snapshot.Pod{{
			Namespace: "demo", Name: "web", Node: "n1", HostNetwork: true, File: "a.yaml", Line: 42,
			IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
			HostPorts: []snapshot.HostPort{
				{Port: snapshot.Port{Proto: "TCP", Number: 80}}, {Port: snapshot.Port{Proto: "UDP", Number: 53}},
				{Port: snapshot.Port{Proto: "TCP", Number: 54}, IP: netip.MustParseAddr("192.0.2.1")},
			},
		}},
		Slices: []snapshot.EndpointSlice{{
			Ref: snapshot.EndpointSliceKind.Ref("demo", "web-x"), Service: "web", ManagedBy: "me", File: "a.yaml", Line: 66,
			Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
			Ports:     []snapshot.Port{{Proto: "TCP", Number: 80}, {Proto: "UDP", Number: 53}}, Created: "2026-01-01T00:00:00Z",
		}, {
			Ref: snapshot.EndpointsKind.Ref("demo", "old"), Service: "old", File: "a.yaml", Line: 85,
			Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}, Ports: []snapshot.Port{{Proto: "TCP", Number: 6443}},
		}},
	}
	if diff := cmp.Diff(want, b.Snapshot(), exported); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
