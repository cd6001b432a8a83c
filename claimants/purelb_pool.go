// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// PureLBPool is a pool of PureLB: local addresses go on a node's interface,
// remote ones on a dummy device that routers learn of (purelb
// pkg/apis/purelb/v2/types.go, v0.16). `spec.local.pool` is the form of v1 before
// dual stack (pkg/apis/v1/types.go, v0.6).
var PureLBPool = add(Claimant{
	Kind:   "purelb.pool",
	Role:   claim.Pool,
	Doc:    "The pools under `spec.local` and `spec.remote` of a PureLB ServiceGroup: PureLB gives Services these addresses.",
	Of:     snapshot.Kind{Group: "purelb.io", Kind: "ServiceGroup", Resource: "servicegroups", Namespaced: true},
	Fields: append(pureLBFields(), "spec.namespaces[]", "spec.enforceNamespaces<bool>"),
	Object: func(o *snapshot.Object, yield Yield) {
		for _, side := range pureLBSides {
			yieldPool(pureLBPools(o.Field("spec", side)), AgentPureLB, yield)
		}
	},
})

var pureLBSides = []string{"local", "remote"}

func pureLBPools(side snapshot.Field) []snapshot.Field {
	pools := []snapshot.Field{side.Get("pool"), side.Get("v4pool", "pool"), side.Get("v6pool", "pool")}
	for _, several := range []string{"v4pools", "v6pools"} {
		for p := range side.Get(several).Items() {
			pools = append(pools, p.Get("pool"))
		}
	}
	return pools
}

func pureLBFields() []string {
	var paths []string
	for _, side := range pureLBSides {
		for _, pool := range []string{"pool", "v4pool.pool", "v6pool.pool", "v4pools[].pool", "v6pools[].pool"} {
			paths = append(paths, "spec."+side+"."+pool)
		}
	}
	return paths
}
