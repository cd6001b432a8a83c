// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"whohas/claim"
	"whohas/snapshot"
)

func text(s string) snapshot.Value { return snapshot.Value{Kind: snapshot.String, Text: s} }

func list1(v snapshot.Value) snapshot.Value {
	return snapshot.Value{Kind: snapshot.List, Items: []snapshot.Value{v}}
}

// dict makes a map from keys and values in turn.
func dict(pairs ...any) snapshot.Value {
	v := snapshot.Value{Kind: snapshot.Map}
	for i := 0; i < len(pairs); i += 2 {
		v.Keyset = snapshot.KeysetOf(append(v.Keys(), pairs[i].(string))...)
		v.Items = append(v.Items, pairs[i+1].(snapshot.Value))
	}
	return v
}

// TestClaimsEqualsRegister: what an object claims before it is stored is what the
// register finds once it is in a snapshot, also of what a snapshot holds typed.
func TestClaimsEqualsRegister(t *testing.T) {
	port := func(key string) snapshot.Value {
		return list1(dict(key, snapshot.Value{Kind: snapshot.Number, Text: "80"}))
	}
	for name, o := range map[string]*snapshot.Object{
		"slice": {Ref: snapshot.EndpointSliceKind.Ref("a", "b"), Root: dict("endpoints", list1(dict("addresses", list1(text("10.0.0.1")))), "ports", port("port"))},
		"the apiserver's endpoints": {Ref: snapshot.EndpointsKind.Ref("default", "kubernetes"),
			Root: dict("subsets", list1(dict("addresses", list1(dict("ip", text("10.0.0.1"))), "ports", port("port"))))},
		"pod": {Ref: snapshot.PodKind.Ref("a", "b"), Root: dict("spec", dict("nodeName", text("n"), "containers", list1(dict("ports", port("hostPort")))),
			"status", dict("hostIP", text("10.0.0.9"), "podIPs", list1(dict("ip", text("10.0.0.1")))))},
		"service": {Ref: serviceKind.Ref("a", "b"), Root: dict("spec", dict("externalIPs", list1(text("10.0.0.1")), "ports", port("port")))},
	} {
		t.Run(name, func(t *testing.T) {
			b := &snapshot.Builder{}
			b.Add(&snapshot.Object{Ref: o.Ref, Root: o.Root})
			want := slices.SortedFunc(Register(b.Snapshot()).All(), claim.Compare)
			got := slices.SortedFunc(slices.Values(Claims(o)), claim.Compare)
			if len(want) == 0 {
				t.Fatal("it claims nothing")
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("claims (-registered +of the object):\n%s", diff)
			}
		})
	}
}
