// SPDX-License-Identifier: Apache-2.0

package document

import (
	"testing"

	"whohas/snapshot"
)

var (
	serviceKind   = snapshot.Kind{Kind: "Service", Resource: "services", Namespaced: true}
	nodeKind      = snapshot.Kind{Kind: "Node", Resource: "nodes"}
	configMapKind = snapshot.Kind{Kind: "ConfigMap", Resource: "configmaps", Namespaced: true}
)

// testReads declares something of every sort that a path can say.
func testReads(tb testing.TB) snapshot.Reads {
	tb.Helper()
	reads, err := snapshot.NewReads(append(snapshot.OwnReads(),
		snapshot.Read{Kind: serviceKind, Traced: []string{
			"spec.externalIPs[]", "spec.ports[].port<scalar>", "spec.ports[].name", "spec.type", "status.loadBalancer<any>",
			"metadata.annotations.metallb.io/*",
		}},
		snapshot.Read{Kind: nodeKind, Traced: []string{"status.addresses[].type", "status.addresses[].address", "spec.podCIDR"}},
		snapshot.Read{Kind: configMapKind, Names: []string{"kube-system/kube-proxy", "kube-system/kubeadm-config"}, Fields: []string{
			`data."config.conf"<yaml>.mode`, `data."config.conf"<yaml>.ipvs.strictARP<bool>`,
			"data.ClusterConfiguration<yaml>.networking<any>", "data.*<yaml>.clusterCIDR",
		}},
		snapshot.Read{Kind: snapshot.PodKind, Fields: []string{
			"spec.containers[].args[^--mode|--cluster-cidr]", "spec.containers[].env[name=POD_CIDR|NODE_IP].value",
		}},
	)...)
	if err != nil {
		tb.Fatal(err)
	}
	return reads
}
