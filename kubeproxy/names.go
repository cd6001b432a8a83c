// SPDX-License-Identifier: Apache-2.0

// Package kubeproxy knows the service proxies of Kubernetes: what kube-proxy and
// kube-router call things in a host's kernel, how a host shows which of them runs and in
// which mode, and what each does with a Service's external address. It is pure: a host's
// state is a value, and nothing is asked.
package kubeproxy

import (
	"slices"
	"strings"
	"time"
)

// Process is kube-proxy's, and the name of its DaemonSet, ConfigMap and container.
const (
	Process       = "kube-proxy"
	RouterProcess = "kube-router"
)

// Devices on which proxies keep service addresses: kube-proxy's in IPVS mode (kubernetes
// pkg/proxy/ipvs/proxier.go defaultDummyDevice), kube-router's (kube-router
// pkg/controllers/proxy/network_services_controller.go KubeDummyIf).
const (
	IPVSDevice   = "kube-ipvs0"
	RouterDevice = "kube-dummy-if"
)

// Devices are all of them.
func Devices() []string { return []string{IPVSDevice, RouterDevice} }

// IsDevice reports whether a device holds service addresses only.
func IsDevice(name string) bool { return name == IPVSDevice || name == RouterDevice }

// ClusterIPSets are the ipsets of ClusterIPs, of both families (kubernetes
// pkg/proxy/ipvs/ipset.go).
func ClusterIPSets() []string { return []string{"KUBE-CLUSTER-IP", "KUBE-6-CLUSTER-IP"} }

// IsClusterIPSet reports whether an ipset is of ClusterIPs.
func IsClusterIPSet(name string) bool { return slices.Contains(ClusterIPSets(), name) }

// Sets of a Service's other addresses, of which more begin with the same words.
const (
	ExternalIPSet   = "KUBE-EXTERNAL-IP"
	LoadBalancerSet = "KUBE-LOAD-BALANCER"
)

// Fields of a Service by which an address gets into the proxy's sets.
const (
	FieldExternalIP   = "spec.externalIPs"
	FieldLoadBalancer = "status.loadBalancer.ingress"
	FieldClusterIP    = "spec.clusterIP"
)

// SetField is the field of a Service from which an ipset of kube-proxy has its addresses;
// "" for other sets (kubernetes pkg/proxy/ipvs/ipset.go; KUBE-6- of IPv6).
func SetField(set string) string {
	name := strings.Replace(set, "KUBE-6-", "KUBE-", 1)
	switch {
	case strings.HasPrefix(name, ExternalIPSet):
		return FieldExternalIP
	case strings.HasPrefix(name, LoadBalancerSet):
		return FieldLoadBalancer
	case IsClusterIPSet(set):
		return FieldClusterIP
	}
	return ""
}

// Chains. In IPVS mode there are ServicesChain and FilterChain; a chain for each Service is
// the iptables mode's only (kubernetes pkg/proxy/ipvs/proxier.go iptablesChains;
// pkg/proxy/iptables/proxier.go).
const (
	ChainPrefix        = "KUBE-"
	MarkPrefix         = "KUBE-MARK-"
	ServiceChainPrefix = "KUBE-SVC-"
	ServicesChain      = "KUBE-SERVICES"
	FilterChain        = "KUBE-IPVS-FILTER"
	RouterFilterChain  = "KUBE-ROUTER-SERVICES" // kube-router pkg/controllers/proxy/network_services_controller.go
)

// Tables and maps: nftables mode has a table of its own, in each family (kubernetes
// pkg/proxy/nftables/proxier.go kubeProxyTable, serviceIPsMap).
const (
	NFTable       = "kube-proxy"
	ServiceIPsMap = "service-ips"
)

// Ports on the host's own loopback (kubernetes pkg/cluster/ports/ports.go).
const (
	MetricsPort = 10249
	HealthPort  = 10256
)

// Periods after which everything is synced, whatever was heard (kubernetes
// pkg/proxy/apis/config/v1alpha1/defaults.go ipvs.syncPeriod; kube-router
// pkg/options/options.go NewKubeRouterConfig).
const (
	SyncPeriod       = 30 * time.Second
	RouterSyncPeriod = 5 * time.Minute
)

// OtherProxyLabel is on Services that kube-proxy leaves to another (kubernetes
// pkg/proxy/apis/well_known_labels.go LabelServiceProxyName).
const OtherProxyLabel = "service.kubernetes.io/service-proxy-name"
