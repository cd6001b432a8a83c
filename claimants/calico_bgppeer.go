// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// CalicoBGPPeer is a router (calico api/pkg/apis/projectcalico/v3/bgppeer.go,
// v3.32: peerIP may carry a port; it is empty where a selector names the peers).
var CalicoBGPPeer = calicoBGPPeer("calico.bgpPeer", calicoGroup,
	"`spec.peerIP` of a Calico BGPPeer: a router, or another node, with which nodes exchange routes.")

// CalicoCRDBGPPeer is the same as stored.
var CalicoCRDBGPPeer = calicoBGPPeer("calico.crd.bgpPeer", calicoCRDGroup,
	"`spec.peerIP` of a Calico BGPPeer, as stored under crd.projectcalico.org.")

func calicoBGPPeer(kind claim.Kind, group, doc string) *Claimant {
	return add(Claimant{
		Kind: kind, Role: claim.Reserved, Doc: doc,
		Of:     snapshot.Kind{Group: group, Kind: "BGPPeer", Resource: "bgppeers"},
		Fields: []string{"spec.peerIP"},
		Object: func(o *snapshot.Object, yield Yield) {
			yieldRouter(o.Field("spec", "peerIP"), func(c claim.Claim) {
				c.Owner = calicoOwner(o)
				yield(c)
			})
		},
	})
}
