// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/snapshot"
)

// StorageServer is an address that some host has because volumes are mounted
// from it (kubernetes staging/src/k8s.io/api/core/v1/types.go; the attribute
// server is csi-driver-nfs's). A name claims nothing.
var StorageServer = add(Claimant{
	Kind: "storage.server",
	Role: claim.Reserved,
	Doc:  "The NFS, iSCSI, CephFS or RBD server of a PersistentVolume, where it is named by its address: nodes mount volumes from it.",
	Of:   snapshot.Kind{Kind: "PersistentVolume", Resource: "persistentvolumes"},
	Fields: []string{
		"spec.nfs.server", "spec.iscsi.targetPortal", "spec.iscsi.portals[]", "spec.cephfs.monitors[]", "spec.rbd.monitors[]",
		"spec.csi.volumeAttributes.server",
	},
	Object: func(o *snapshot.Object, yield Yield) {
		for _, f := range storageServers(o.Field("spec")) {
			if c := addr(part(f, hostOf(f.Text()))); c.Range.IsValid() && ofOneHost(c.Range.From) {
				yield(c)
			}
		}
	},
})

func storageServers(spec snapshot.Field) []snapshot.Field {
	var servers []snapshot.Field
	for _, f := range []snapshot.Field{
		spec.Get("nfs", "server"), spec.Get("iscsi", "targetPortal"), spec.Get("csi", "volumeAttributes", "server"),
	} {
		if given(f) {
			servers = append(servers, f)
		}
	}
	for _, f := range []snapshot.Field{spec.Get("iscsi", "portals"), spec.Get("cephfs", "monitors"), spec.Get("rbd", "monitors")} {
		servers = append(servers, items(f)...)
	}
	return servers
}
