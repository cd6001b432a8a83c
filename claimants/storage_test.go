// SPDX-License-Identifier: Apache-2.0

package claimants

var storageScenes = []scene{
	{"by address", "storage.server", `
apiVersion: v1
kind: PersistentVolume
metadata: {name: nfs}
spec: {nfs: {server: 10.0.0.50, path: /srv}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: iscsi}
spec: {iscsi: {targetPortal: "10.0.0.51:3260", portals: ["10.0.0.52", "[fd00::52]:3260"], iqn: iqn.a}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: cephfs}
spec: {cephfs: {monitors: ["10.0.0.53:6789"], user: admin}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: rbd}
spec: {rbd: {monitors: ["10.0.0.54:6789"], image: a}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: csi}
spec: {csi: {driver: nfs.csi.k8s.io, volumeAttributes: {server: 10.0.0.55, share: /srv}}}
`, []string{
		"reserved 10.0.0.50 for PersistentVolume nfs",
		"reserved 10.0.0.51 for PersistentVolume iscsi",
		"reserved 10.0.0.52 for PersistentVolume iscsi",
		"reserved 10.0.0.53 for PersistentVolume cephfs",
		"reserved 10.0.0.54 for PersistentVolume rbd",
		"reserved 10.0.0.55 for PersistentVolume csi",
		"reserved fd00::52 for PersistentVolume iscsi",
	}},
	{"names, and each node's own", "storage.server", `
apiVersion: v1
kind: PersistentVolume
metadata: {name: nfs}
spec: {nfs: {server: nas.example, path: /srv}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: iscsi}
spec: {iscsi: {targetPortal: "127.0.0.1:3260"}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: local}
spec: {hostPath: {path: /srv}}
`, nil},
}
