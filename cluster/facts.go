// SPDX-License-Identifier: Apache-2.0

// Package cluster concludes what kind of cluster a snapshot shows: proxy mode
// and version, CNI, distribution, nodes, and where the apiserver is reached.
// Every conclusion names what it was drawn from; what nothing shows stays
// unknown.
package cluster

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/snapshot"
)

// Conclusion is one thing concluded, and from what.
type Conclusion struct {
	Subject string // "proxy mode"
	Value   string // "ipvs"
	From    string // "ConfigMap kube-system/kube-proxy"
	Origin  snapshot.Origin
}

// Facts are the conclusions that rules and explanations use. Facts are a value
// and are never changed once drawn.
type Facts struct {
	Mode     dataplane.ProxyMode
	ModeFrom string
	Version  kubeproxy.Version // kube-proxy's; zero: unknown
	// VersionFrom says what the version was taken from.
	VersionFrom string
	// KubeRouter: the service proxy is kube-router's, which binds on kube-dummy-if.
	KubeRouter bool
	// ExternalIPsOff: kube-proxy's gate AllowServiceExternalIPs is off, so
	// externalIPs do nothing (KEP-5707).
	ExternalIPsOff bool
	CNI            CNI
	Distribution   string
	// ServiceLB: k3s' or RKE2's ServiceLB runs, which publishes nodes' addresses as
	// those of Services.
	ServiceLB     bool
	Nodes         []Node // sorted by name
	NodesComplete bool
	APIServers    []Endpoint   // where nodes and kube-proxy reach the apiserver
	APIBackends   []netip.Addr // the apiservers' own, behind whatever leads there
	L2            []Announcer
	Subnets       []netip.Prefix // the nodes' own, as far as objects tell; sorted
	FirstNotReady NotReady
	Conclusions   []Conclusion

	index *nodeIndex // of Nodes; nil where nobody made one
}

// Behavior is what the cluster's service proxy does with a Service's external address.
func (f *Facts) Behavior() kubeproxy.Behavior {
	return kubeproxy.BehaviorOf(f.Mode, f.Version, f.KubeRouter)
}

// Node is what the rules need of a Node.
type Node struct {
	Name         string
	Addresses    []netip.Addr // InternalIP and ExternalIP
	Internal     []netip.Addr // InternalIP alone: what the node's own traffic comes from
	ControlPlane bool
	NotReady     time.Time // since when; zero: Ready or not known
}

// NotReady tells which Node stopped being Ready first, and when.
type NotReady struct {
	Node string
	At   time.Time
}

// Endpoint is an address and port where the apiserver is reached, or a local
// proxy in front of it. Host is "" unless it is a name.
type Endpoint struct {
	IP   netip.Addr
	Host string
	Port uint16
	From string
}

// SingleNode reports whether the cluster is known to have exactly one node:
// absence of others proves something only if all nodes were read.
func (f *Facts) SingleNode() bool { return f.NodesComplete && len(f.Nodes) == 1 }

// NodeWith finds the node that has an address: see NodeOf.
func (f *Facts) NodeWith(ip netip.Addr) (Node, bool) { return f.NodeOf(ip, nil) }

// NodeOf finds the node whose address it is: one that has it in its status, else one of
// those that are named for it by something else, an annotation or a Pod in its network.
// Of several that say so it is one of the control plane, on which more listens.
func (f *Facts) NodeOf(ip netip.Addr, named []string) (Node, bool) {
	var found Node
	ok := false
	for _, candidates := range [][]int{f.having(ip), f.called(named)} {
		for _, i := range candidates {
			if n := &f.Nodes[i]; !ok || n.ControlPlane && !found.ControlPlane {
				found, ok = *n, true
			}
		}
	}
	return found, ok
}

// Infer concludes. An override of the proxy mode (--proxy-mode, configuration)
// beats what the objects show; from names where the override came from.
func Infer(s *snapshot.Snapshot, override dataplane.ProxyMode, from string) *Facts {
	f := &Facts{NodesComplete: s.Complete(NodeKind)}
	f.nodes(s)
	f.proxyMode(s, override, from)
	f.proxyVersion(s)
	f.cni(s)
	f.distribution(s)
	f.apiServers(s)
	f.announcers(s)
	slices.SortStableFunc(f.Conclusions, func(a, b Conclusion) int { return cmp.Compare(a.Subject, b.Subject) })
	f.index = indexOf(f.Nodes)
	return f
}

func (f *Facts) conclude(subject, value, from string, o snapshot.Origin) {
	f.Conclusions = append(f.Conclusions, Conclusion{subject, value, from, o})
}

func (f *Facts) nodes(s *snapshot.Snapshot) {
	for _, o := range s.Kind(NodeKind) {
		n := Node{Name: o.Ref.Name, ControlPlane: isControlPlane(o)}
		for a := range o.Field("status", "addresses").Items() {
			if t := a.Get("type").Text(); t != "InternalIP" && t != "ExternalIP" {
				continue
			}
			ip, _, err := snapshot.ParseAddr(a.Get("address").Text())
			if err != nil {
				continue
			}
			n.Addresses = joined(n.Addresses, ip)
			if a.Get("type").Text() == "InternalIP" {
				n.Internal = joined(n.Internal, ip)
			}
		}
		n.NotReady = notReadySince(o)
		f.addNode(n)
		f.addSubnets(o)
	}
	for _, n := range f.Nodes {
		if !n.NotReady.IsZero() && (f.FirstNotReady.At.IsZero() || n.NotReady.Before(f.FirstNotReady.At)) {
			f.FirstNotReady = NotReady{n.Name, n.NotReady}
		}
	}
}

// addSubnets learns the subnet from Calico's annotation: the one object in which
// a node's prefix length stands.
func (f *Facts) addSubnets(o *snapshot.Object) {
	for _, key := range []string{"projectcalico.org/IPv4Address", "projectcalico.org/IPv6Address"} {
		p, err := netip.ParsePrefix(o.Annotation(key).Text())
		if err == nil && !p.IsSingleIP() && !slices.Contains(f.Subnets, p.Masked()) {
			f.Subnets = append(f.Subnets, p.Masked())
		}
	}
}

// addNode merges a Node that several files hold.
func (f *Facts) addNode(n Node) {
	if k := len(f.Nodes); k > 0 && f.Nodes[k-1].Name == n.Name {
		last := &f.Nodes[k-1]
		last.ControlPlane = last.ControlPlane || n.ControlPlane
		last.Addresses = joined(last.Addresses, n.Addresses...)
		last.Internal = joined(last.Internal, n.Internal...)
		return
	}
	f.Nodes = append(f.Nodes, n)
}

// joined adds what is not yet in a list.
func joined(list []netip.Addr, more ...netip.Addr) []netip.Addr {
	for _, ip := range more {
		if !slices.Contains(list, ip) {
			list = append(list, ip)
		}
	}
	return list
}

func isControlPlane(o *snapshot.Object) bool {
	for _, l := range []string{"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master", "node-role.kubernetes.io/controlplane"} {
		if o.Root.Get("metadata", "labels", l).Kind != snapshot.Absent {
			return true
		}
	}
	return false
}

func notReadySince(o *snapshot.Object) time.Time {
	for c := range o.Field("status", "conditions").Items() {
		if c.Get("type").Text() == "Ready" && c.Get("status").Text() != "True" {
			return c.Get("lastTransitionTime").Time()
		}
	}
	return time.Time{}
}

// Kinds that conclusions are drawn from.
var (
	NodeKind       = snapshot.Kind{Kind: "Node", Resource: "nodes"}
	ServiceKind    = snapshot.Kind{Kind: "Service", Resource: "services", Namespaced: true}
	ConfigMapKind  = snapshot.Kind{Kind: "ConfigMap", Resource: "configmaps", Namespaced: true}
	DaemonSetKind  = snapshot.Kind{Group: "apps", Kind: "DaemonSet", Resource: "daemonsets", Namespaced: true}
	proxyConfig    = snapshot.Kind{Group: "kubeproxy.config.k8s.io", Kind: "KubeProxyConfiguration", Resource: "kubeproxyconfigurations"}
	kubeadmConfig  = snapshot.Kind{Group: "kubeadm.k8s.io", Kind: "ClusterConfiguration", Resource: "clusterconfigurations"}
	ipPool         = snapshot.Kind{Group: "crd.projectcalico.org", Kind: "IPPool", Resource: "ippools"}
	ipPoolV3       = snapshot.Kind{Group: "projectcalico.org", Kind: "IPPool", Resource: "ippools"}
	felixConfig    = snapshot.Kind{Group: "crd.projectcalico.org", Kind: "FelixConfiguration", Resource: "felixconfigurations"}
	openshiftNet   = snapshot.Kind{Group: "operator.openshift.io", Kind: "Network", Resource: "networks"}
	clusterVersion = snapshot.Kind{Group: "config.openshift.io", Kind: "ClusterVersion", Resource: "clusterversions"}
	ciliumNode     = snapshot.Kind{Group: "cilium.io", Kind: "CiliumNode", Resource: "ciliumnodes"}
)

// KubeadmConfigKind is the kind of kubeadm's own configuration file.
func KubeadmConfigKind() snapshot.Kind { return kubeadmConfig }

// nodeArgs are the arguments of k3s and RKE2 that matter here; they may hold
// secrets beside that.
var nodeArgs = `[^--kube-proxy-arg|--disable|--no-deploy|--enable-servicelb|--flannel-backend]`

var proxyArgs = `[^--proxy-mode|--feature-gates|--run-service-proxy|--kube-proxy-arg]`

// Reads are the fields that conclusions need.
func Reads() []snapshot.Read {
	return append([]snapshot.Read{
		{Kind: NodeKind, Fields: []string{
			"status.addresses[].type", "status.addresses[].address", "status.conditions[type=Ready].status", "status.conditions[type=Ready].lastTransitionTime",
			"status.nodeInfo.kubeProxyVersion", "status.nodeInfo.kubeletVersion", "status.nodeInfo.osImage", "spec.podCIDRs[]", "spec.podCIDR", "spec.providerID",
			"metadata.labels.node-role.kubernetes.io/control-plane", "metadata.labels.node-role.kubernetes.io/master",
			"metadata.labels.node-role.kubernetes.io/controlplane", "metadata.labels.node.kubernetes.io/instance-type",
			"metadata.labels.node.openshift.io/os_id", "metadata.annotations.k3s.io/node-args<yaml>" + nodeArgs, "metadata.annotations.rke2.io/node-args<yaml>" + nodeArgs,
			"metadata.annotations.rke.cattle.io/internal-ip", "metadata.annotations.kubeadm.alpha.kubernetes.io/cri-socket",
			"metadata.annotations.flannel.alpha.coreos.com/backend-type", "metadata.annotations.projectcalico.org/IPv4Address",
			"metadata.annotations.projectcalico.org/IPv6Address",
		}},
		{Kind: ConfigMapKind, Names: []string{"kube-system/kube-proxy"}, Fields: []string{
			`data."config.conf"<yaml>.mode`, `data."config.conf"<yaml>.featureGates.AllowServiceExternalIPs<bool>`,
			`data."config.conf"<yaml>.ipvs.excludeCIDRs[]`, `data."config.conf"<yaml>.nodePortAddresses[]`, `data."config.conf"<yaml>.clusterCIDR`,
			`data."kubeconfig.conf"<yaml>.clusters[].cluster.server`,
		}},
		{Kind: ConfigMapKind, Names: []string{"kube-system/kubeadm-config"}, Fields: []string{
			"data.ClusterConfiguration<yaml>.controlPlaneEndpoint", "data.ClusterConfiguration<yaml>.networking.serviceSubnet",
			"data.ClusterConfiguration<yaml>.networking.podSubnet", "data.ClusterConfiguration<yaml>.kubernetesVersion",
			"data.ClusterStatus<yaml>.apiEndpoints<any>",
		}},
		{Kind: ConfigMapKind, Names: []string{"kube-public/cluster-info"}, Fields: []string{"data.kubeconfig<yaml>.clusters[].cluster.server"}},
		{Kind: ConfigMapKind, Names: []string{"kube-system/cilium-config"}, Fields: []string{"data.kube-proxy-replacement", "data.routing-mode", "data.tunnel", "data.tunnel-protocol"}},
		{Kind: ConfigMapKind, Names: []string{"kube-system/canal-config", "kube-system/rke-network-plugin", "kube-system/calico-config", "kube-flannel/kube-flannel-cfg", "kube-system/kube-flannel-cfg"}, Fields: []string{"data.calico_backend", `data."net-conf.json"<yaml>.Backend.Type`, `data."net-conf.json"<yaml>.Network`}},
		{Kind: ConfigMapKind, Names: []string{"kube-system/full-cluster-state"}, Fields: []string{"metadata.name"}},
		{Kind: ConfigMapKind, Names: []string{"kube-system/antrea-config", "kube-system/coredns"}, Fields: []string{"metadata.name", "metadata.labels.app.kubernetes.io/managed-by"}},
		{Kind: proxyConfig, Fields: []string{"mode", "featureGates.AllowServiceExternalIPs<bool>", "ipvs.excludeCIDRs[]", "nodePortAddresses[]", "clusterCIDR"}},
		{Kind: kubeadmConfig, Fields: []string{"controlPlaneEndpoint", "networking.serviceSubnet", "networking.podSubnet", "kubernetesVersion"}},
		{Kind: DaemonSetKind, Fields: []string{
			"spec.template.spec.containers[].name", "spec.template.spec.containers[].image",
			"spec.template.spec.containers[].args" + proxyArgs, "spec.template.spec.containers[].command" + proxyArgs,
		}},
		{Kind: snapshot.PodKind, Fields: []string{
			"spec.containers[].image", "spec.containers[].args" + proxyArgs, "spec.containers[].command" + proxyArgs,
		}},
		{Kind: ipPool, Fields: []string{"spec.ipipMode", "spec.vxlanMode", "spec.disabled<bool>"}},
		{Kind: ipPoolV3, Fields: []string{"spec.ipipMode", "spec.vxlanMode", "spec.disabled<bool>"}},
		{Kind: felixConfig, Fields: []string{"spec.bpfEnabled<bool>"}},
		{Kind: openshiftNet, Names: []string{"/cluster"}, Fields: []string{"spec.defaultNetwork.type", "spec.kubeProxyConfig.proxyArguments.proxy-mode[]", "spec.deployKubeProxy<bool>"}},
		{Kind: clusterVersion, Names: []string{"/version"}, Fields: []string{"status.desired.version"}},
		{Kind: ciliumNode, Fields: []string{"metadata.name"}},
	}, announceReads...)
}

// imageNamed reports whether an image is named so, whatever the registry.
func imageNamed(image, name string) bool {
	base := image[strings.LastIndexByte(image, '/')+1:]
	base, _, _ = strings.Cut(base, "@")
	base, _, _ = strings.Cut(base, ":")
	return base == name
}
