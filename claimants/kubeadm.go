// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"strings"

	"whohas/claim"
	"whohas/cluster"
	"whohas/snapshot"
)

var kubeadmConfigMap = []string{"kube-system/kubeadm-config"}

// KubeadmEndpoint is kubeadm's controlPlaneEndpoint, as stored in the cluster.
var KubeadmEndpoint = add(Claimant{
	Kind:   "kubeadm.controlPlaneEndpoint",
	Role:   claim.ControlPlane,
	Doc:    "`controlPlaneEndpoint` in the ConfigMap kubeadm-config: every kubelet and kube-proxy reaches the apiserver there.",
	Of:     cluster.ConfigMapKind,
	Names:  kubeadmConfigMap,
	Fields: []string{"data.ClusterConfiguration<yaml>.controlPlaneEndpoint"},
	Object: func(o *snapshot.Object, yield Yield) {
		yieldEndpoint(o.Field("data", "ClusterConfiguration", "controlPlaneEndpoint"), yield)
	},
})

// KubeadmFileEndpoint is the same in kubeadm's own configuration file.
var KubeadmFileEndpoint = add(Claimant{
	Kind:   "kubeadm.file.controlPlaneEndpoint",
	Role:   claim.ControlPlane,
	Doc:    "`controlPlaneEndpoint` of a kubeadm ClusterConfiguration file.",
	Of:     cluster.KubeadmConfigKind(),
	Fields: []string{"controlPlaneEndpoint"},
	Object: func(o *snapshot.Object, yield Yield) { yieldEndpoint(o.Field("controlPlaneEndpoint"), yield) },
})

// ClusterInfoServer is the apiserver's address that joining nodes are told.
var ClusterInfoServer = add(Claimant{
	Kind:   "clusterinfo.server",
	Role:   claim.ControlPlane,
	Doc:    "`server` in the ConfigMap kube-public/cluster-info: joining nodes reach the apiserver there.",
	Of:     cluster.ConfigMapKind,
	Names:  []string{"kube-public/cluster-info"},
	Fields: []string{"data.kubeconfig<yaml>.clusters[].cluster.server"},
	Object: func(o *snapshot.Object, yield Yield) { yieldServers(o.Field("data", "kubeconfig", "clusters"), yield) },
})

// KubeProxyServer is where kube-proxy reaches the apiserver.
var KubeProxyServer = add(Claimant{
	Kind:   "kubeproxy.server",
	Role:   claim.ControlPlane,
	Doc:    "`server` in kube-proxy's kubeconfig (ConfigMap kube-system/kube-proxy): kube-proxy learns of changes there.",
	Of:     cluster.ConfigMapKind,
	Names:  []string{"kube-system/kube-proxy"},
	Fields: []string{`data."kubeconfig.conf"<yaml>.clusters[].cluster.server`},
	Object: func(o *snapshot.Object, yield Yield) {
		yieldServers(o.Field("data", "kubeconfig.conf", "clusters"), yield)
	},
})

func yieldServers(clusters snapshot.Field, yield Yield) {
	for c := range clusters.Items() {
		server := c.Get("cluster", "server")
		_, hostPort, ok := strings.Cut(server.Text(), "://")
		if !ok {
			continue
		}
		hostPort, _, _ = strings.Cut(hostPort, "/")
		yieldEndpointText(server, hostPort, yield)
	}
}

func yieldEndpoint(f snapshot.Field, yield Yield) {
	if given(f) {
		yieldEndpointText(f, f.Text(), yield)
	}
}

// yieldEndpointText claims the address of host:port; a name claims nothing that
// could be known without asking a resolver, and loopback is each node's own.
func yieldEndpointText(f snapshot.Field, hostPort string, yield Yield) {
	e := cluster.ParseEndpoint(hostPort)
	if !e.IP.IsValid() || e.IP.IsLoopback() {
		return
	}
	yield(claim.Claim{
		Range: claim.Single(e.IP), Text: e.IP.String(), Owner: controlPlane, Origin: f.Origin(),
		Ports: claim.Ports{{Proto: "TCP", Number: e.Port}},
	})
}

// KubeadmServiceSubnet is the range of ClusterIPs as kubeadm was told.
var KubeadmServiceSubnet = add(Claimant{
	Kind:   "kubeadm.serviceSubnet",
	Role:   claim.ServiceRange,
	Doc:    "`networking.serviceSubnet` in the ConfigMap kubeadm-config: ClusterIPs come from it.",
	Of:     cluster.ConfigMapKind,
	Names:  kubeadmConfigMap,
	Fields: []string{"data.ClusterConfiguration<yaml>.networking.serviceSubnet"},
	Object: func(o *snapshot.Object, yield Yield) {
		yieldSubnets(o.Field("data", "ClusterConfiguration", "networking", "serviceSubnet"), yield)
	},
})

// KubeadmPodSubnet is the range of Pod addresses as kubeadm was told.
var KubeadmPodSubnet = add(Claimant{
	Kind:   "kubeadm.podSubnet",
	Role:   claim.PodRange,
	Doc:    "`networking.podSubnet` in the ConfigMap kubeadm-config: the nodes' Pod ranges come from it.",
	Of:     cluster.ConfigMapKind,
	Names:  kubeadmConfigMap,
	Fields: []string{"data.ClusterConfiguration<yaml>.networking.podSubnet"},
	Object: func(o *snapshot.Object, yield Yield) {
		yieldSubnets(o.Field("data", "ClusterConfiguration", "networking", "podSubnet"), yield)
	},
})

// KubeadmFileServiceSubnet is serviceSubnet of a configuration file.
var KubeadmFileServiceSubnet = add(Claimant{
	Kind:   "kubeadm.file.serviceSubnet",
	Role:   claim.ServiceRange,
	Doc:    "`networking.serviceSubnet` of a kubeadm ClusterConfiguration file.",
	Of:     cluster.KubeadmConfigKind(),
	Fields: []string{"networking.serviceSubnet"},
	Object: func(o *snapshot.Object, yield Yield) { yieldSubnets(o.Field("networking", "serviceSubnet"), yield) },
})

// KubeadmFilePodSubnet is podSubnet of a configuration file.
var KubeadmFilePodSubnet = add(Claimant{
	Kind:   "kubeadm.file.podSubnet",
	Role:   claim.PodRange,
	Doc:    "`networking.podSubnet` of a kubeadm ClusterConfiguration file.",
	Of:     cluster.KubeadmConfigKind(),
	Fields: []string{"networking.podSubnet"},
	Object: func(o *snapshot.Object, yield Yield) { yieldSubnets(o.Field("networking", "podSubnet"), yield) },
})

func yieldSubnets(f snapshot.Field, yield Yield) {
	if !given(f) {
		return
	}
	for _, part := range list(f) {
		yield(span(part))
	}
}

// KubeProxyClusterCIDR is what kube-proxy takes for the Pods' range.
var KubeProxyClusterCIDR = add(Claimant{
	Kind:   "kubeproxy.clusterCIDR",
	Role:   claim.PodRange,
	Doc:    "`clusterCIDR` of kube-proxy's configuration: the Pods' range.",
	Of:     cluster.ConfigMapKind,
	Names:  []string{"kube-system/kube-proxy"},
	Fields: []string{`data."config.conf"<yaml>.clusterCIDR`},
	Object: func(o *snapshot.Object, yield Yield) {
		yieldSubnets(o.Field("data", "config.conf", "clusterCIDR"), yield)
	},
})
