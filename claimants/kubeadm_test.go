// SPDX-License-Identifier: Apache-2.0

package claimants

var kubeadmScenes = []scene{
	{"address and port", "kubeadm.controlPlaneEndpoint", kubeadmText, []string{"controlplane 192.168.10.100 8443/TCP for ControlPlane apiserver"}},
	{"a name", "kubeadm.controlPlaneEndpoint", namedKubeadmText, nil},
	{"two families", "kubeadm.serviceSubnet", kubeadmText, []string{
		"servicerange 10.96.0.0/12 for ConfigMap kube-system/kubeadm-config",
		"servicerange fd00:96::/112 for ConfigMap kube-system/kubeadm-config",
	}},
	{"none", "kubeadm.serviceSubnet", namedKubeadmText, nil},
	{"one", "kubeadm.podSubnet", kubeadmText, []string{"podrange 10.244.0.0/16 for ConfigMap kube-system/kubeadm-config"}},
	{"none", "kubeadm.podSubnet", namedKubeadmText, nil},

	{"address without port", "kubeadm.file.controlPlaneEndpoint", kubeadmFileText, []string{"controlplane 192.168.10.100 6443/TCP for ControlPlane apiserver"}},
	{"a name", "kubeadm.file.controlPlaneEndpoint", namedKubeadmFileText, nil},
	{"one", "kubeadm.file.serviceSubnet", kubeadmFileText, []string{"servicerange 10.96.0.0/12 for ClusterConfiguration c"}},
	{"none", "kubeadm.file.serviceSubnet", namedKubeadmFileText, nil},
	{"one", "kubeadm.file.podSubnet", kubeadmFileText, []string{"podrange 10.244.0.0/16 for ClusterConfiguration c"}},
	{"none", "kubeadm.file.podSubnet", namedKubeadmFileText, nil},

	{"address", "clusterinfo.server", `
apiVersion: v1
kind: ConfigMap
metadata: {name: cluster-info, namespace: kube-public}
data:
  kubeconfig: |
    clusters: [{name: "", cluster: {server: "https://192.168.10.100:6443"}}]
`, []string{"controlplane 192.168.10.100 6443/TCP for ControlPlane apiserver"}},
	{"a name", "clusterinfo.server", `
apiVersion: v1
kind: ConfigMap
metadata: {name: cluster-info, namespace: kube-public}
data:
  kubeconfig: |
    clusters: [{name: "", cluster: {server: "https://api.example:6443"}}]
`, nil},

	{"address", "kubeproxy.server", kubeProxyText, []string{"controlplane 192.168.10.100 6443/TCP for ControlPlane apiserver"}},
	{"each node's own proxy", "kubeproxy.server", localKubeProxyText, nil},
	{"one", "kubeproxy.clusterCIDR", kubeProxyText, []string{"podrange 10.244.0.0/16 for ConfigMap kube-system/kube-proxy"}},
	{"none", "kubeproxy.clusterCIDR", localKubeProxyText, nil},
}

const kubeadmText = `
apiVersion: v1
kind: ConfigMap
metadata: {name: kubeadm-config, namespace: kube-system}
data:
  ClusterConfiguration: |
    controlPlaneEndpoint: 192.168.10.100:8443
    networking: {serviceSubnet: "10.96.0.0/12,fd00:96::/112", podSubnet: 10.244.0.0/16}
`

const namedKubeadmText = `
apiVersion: v1
kind: ConfigMap
metadata: {name: kubeadm-config, namespace: kube-system}
data:
  ClusterConfiguration: |
    controlPlaneEndpoint: api.example:6443
`

const kubeadmFileText = `
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
metadata: {name: c}
controlPlaneEndpoint: 192.168.10.100
networking: {serviceSubnet: 10.96.0.0/12, podSubnet: 10.244.0.0/16}
`

const namedKubeadmFileText = `
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
metadata: {name: c}
controlPlaneEndpoint: api.example
`

const kubeProxyText = `
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system}
data:
  config.conf: |
    clusterCIDR: 10.244.0.0/16
  kubeconfig.conf: |
    clusters: [{name: default, cluster: {server: "https://192.168.10.100:6443"}}]
`

const localKubeProxyText = `
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system}
data:
  config.conf: |
    clusterCIDR: ""
  kubeconfig.conf: |
    clusters: [{name: default, cluster: {server: "https://127.0.0.1:6443"}}]
`
