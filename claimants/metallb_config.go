// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/cluster"
	"whohas/snapshot"
)

// metalLBConfigMaps are the names of MetalLB's configuration before 0.13: its
// manifest's (metallb v0.12.1 controller/main.go, flag --config) and its chart's
// for a release named metallb (charts/metallb/templates/_helpers.tpl).
var metalLBConfigMaps = []string{"metallb-system/config", "metallb-system/metallb"}

// MetalLBConfigPool is a pool of the configuration file that MetalLB read from a
// ConfigMap up to 0.12 (metallb v0.12.1 internal/config/config.go). Later ones
// do not look at it.
var MetalLBConfigPool = add(Claimant{
	Kind:  "metallb.config.pool",
	Role:  claim.Pool,
	Doc:   "`address-pools[].addresses` in MetalLB's ConfigMap (up to 0.12): MetalLB gives Services these addresses.",
	Of:    cluster.ConfigMapKind,
	Names: metalLBConfigMaps,
	Fields: []string{
		"data.config<yaml>.address-pools[].addresses[]<scalar>", "data.config<yaml>.address-pools[].name<scalar>",
		"data.config<yaml>.address-pools[].protocol<scalar>", "data.config<yaml>.address-pools[].auto-assign<bool>",
		"data.config<yaml>.address-pools[].avoid-buggy-ips<bool>",
	},
	Object: func(o *snapshot.Object, yield Yield) {
		for pool := range o.Field("data", "config", "address-pools").Items() {
			yieldPool(items(pool.Get("addresses")), AgentMetalLB, yield)
		}
	},
})

// MetalLBConfigPeer is a BGP peer of the same file.
var MetalLBConfigPeer = add(Claimant{
	Kind:   "metallb.config.peer",
	Role:   claim.Reserved,
	Doc:    "`peers[].peer-address` in MetalLB's ConfigMap (up to 0.12): a router to which MetalLB announces addresses.",
	Of:     cluster.ConfigMapKind,
	Names:  metalLBConfigMaps,
	Fields: []string{"data.config<yaml>.peers[].peer-address<scalar>"},
	Object: func(o *snapshot.Object, yield Yield) {
		for peer := range o.Field("data", "config", "peers").Items() {
			yieldRouter(peer.Get("peer-address"), yield)
		}
	},
})
