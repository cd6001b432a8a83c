// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/cluster"
)

// TestNodeIndex: with an index the same Nodes are found as one by one, also where two have
// an address.
func TestNodeIndex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	address := func() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(random.IntN(12))}) }
	for range 300 {
		slow := &cluster.Facts{}
		var names []string
		for i := range random.IntN(9) {
			names = append(names, fmt.Sprintf("n%d", i))
			slow.Nodes = append(slow.Nodes, cluster.Node{Name: names[i], Addresses: []netip.Addr{address(), address()}, ControlPlane: random.IntN(3) == 0})
		}
		fast := (&cluster.Facts{}).WithNodes(slow.Nodes)
		named := []string{"n7", "nobody", "n2", "n2"}[:random.IntN(5)]
		ip := address()
		a, foundA := slow.NodeOf(ip, named)
		b, foundB := fast.NodeOf(ip, named)
		if foundA != foundB || a.Name != b.Name {
			t.Fatalf("%s, %v among %+v: %s, %s with an index", ip, named, slow.Nodes, a.Name, b.Name)
		}
		for _, but := range append(names, "nobody") {
			want := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == but })
			if diff := cmp.Diff(want, fast.OtherNodes(but)); len(want) > 0 && diff != "" {
				t.Fatal(diff)
			}
			if !slices.Equal(fast.OtherNodes(but), slow.OtherNodes(but)) {
				t.Fatal("another list without an index")
			}
		}
	}
}
