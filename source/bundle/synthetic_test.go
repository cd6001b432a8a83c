// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"

	"whohas/snapshot"
)

// synthetic is a cluster with as many Pods as told, and a fifteenth as many
// Services.
func synthetic(pods int) *snapshot.Snapshot {
	var b snapshot.Builder
	r := rand.New(rand.NewPCG(1, 2))
	text := func(s string) snapshot.Value { return snapshot.Value{Kind: snapshot.String, Text: s} }
	mapping := func(kv ...any) snapshot.Value {
		v := snapshot.Value{Kind: snapshot.Map}
		for i := 0; i < len(kv); i += 2 {
			v.Keyset, v.Items = snapshot.KeysetOf(append(v.Keys(), kv[i].(string))...), append(v.Items, kv[i+1].(snapshot.Value))
		}
		return v
	}
	list := func(items ...snapshot.Value) snapshot.Value { return snapshot.Value{Kind: snapshot.List, Items: items} }
	addr := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}) }
	managed := func(at string, fields snapshot.Value) snapshot.Value {
		return list(mapping("fieldsV1", fields, "manager", text("kubectl-client-side-apply"), "operation", text("Update"), "time", text(at)))
	}
	meta := func(ns, name string, fields snapshot.Value) snapshot.Value {
		at := fmt.Sprintf("2026-01-%02dT%02d:%02d:%02dZ", 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60))
		return mapping("creationTimestamp", text(at), "managedFields", managed(at, fields), "name", text(name), "namespace", text(ns))
	}
	for i := range pods / 30 {
		name := fmt.Sprintf("node-%05d", i)
		b.AddObject(&snapshot.Object{Ref: snapshot.Ref{Kind: "Node", Name: name}, Version: "v1", Root: mapping(
			"metadata", meta("", name, mapping("f:status", mapping("f:addresses", mapping()))),
			"spec", mapping("podCIDR", text(addr(i<<8).String()+"/24"), "podCIDRs", list(text(addr(i<<8).String()+"/24"))),
			"status", mapping("addresses", list(mapping("address", text(addr(1<<23+i).String()), "type", text("InternalIP")), mapping("address", text(name), "type", text("Hostname"))),
				"nodeInfo", mapping("kubeletVersion", text("v1.36.2"), "kubeProxyVersion", text("v1.36.2")))),
		})
	}
	for i := range pods / 15 {
		ns, name := fmt.Sprintf("team-%03d", i%200), fmt.Sprintf("service-%05d", i)
		port := mapping("name", text("http"), "port", snapshot.Value{Kind: snapshot.Number, Text: "80"}, "protocol", text("TCP"))
		b.AddObject(&snapshot.Object{Ref: snapshot.Ref{Kind: "Service", Namespace: ns, Name: name}, Version: "v1", Root: mapping(
			"metadata", meta(ns, name, mapping("f:spec", mapping("f:externalIPs", mapping()))),
			"spec", mapping("clusterIP", text(addr(1<<22+i).String()), "clusterIPs", list(text(addr(1<<22+i).String())), "externalIPs", list(text(addr(1<<21+i).String())),
				"ports", list(port), "type", text("ClusterIP"))),
		})
		b.AddSlice(snapshot.EndpointSlice{Ref: snapshot.EndpointSliceKind.Ref(ns, name+"-x"), Service: name, ManagedBy: "endpointslice-controller.k8s.io",
			Controller: snapshot.Ref{Kind: "Service", Namespace: ns, Name: name}, Addresses: []netip.Addr{addr(15 * i), addr(15*i + 1), addr(15*i + 2)},
			Ports: []snapshot.Port{{Proto: "TCP", Number: 8080}}, Created: "2026-01-01T00:00:00Z"})
	}
	for i := range pods {
		ns, owner := fmt.Sprintf("team-%03d", i/15%200), fmt.Sprintf("service-%05d-%08x", i/15, i/15*2654435761)
		node := r.IntN(1 + pods/30)
		b.AddPod(snapshot.Pod{Namespace: ns, Name: fmt.Sprintf("%s-%05x", owner, r.IntN(1<<20)), Node: fmt.Sprintf("node-%05d", node),
			IPs: []netip.Addr{addr(i)}})
	}
	for _, kind := range []string{"pods", "nodes", "services", "endpointslices"} {
		b.Cover(snapshot.Coverage{Source: kind, Status: snapshot.StatusRead, Complete: true})
	}
	return b.Snapshot()
}

// BenchmarkRead loads a cluster of 150,000 Pods, 10,000 Services and slices, and
// 5,000 Nodes.
func BenchmarkRead(b *testing.B) {
	file := write(b, synthetic(150_000))
	b.ReportMetric(float64(len(file)), "file-bytes")
	b.SetBytes(int64(len(unzipped(b, file))))
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		var into snapshot.Builder
		if err := Read(context.Background(), bytes.NewReader(file), "c.snapshot", &into); err != nil {
			b.Fatal(err)
		}
		if into.Snapshot().Count() != 175_000 {
			b.Fatal("objects are missing")
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	s := synthetic(150_000)
	b.ReportAllocs()
	for b.Loop() {
		if err := Write(io.Discard, s, "whohas"); err != nil {
			b.Fatal(err)
		}
	}
}
