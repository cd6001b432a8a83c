// SPDX-License-Identifier: Apache-2.0

// Package clustergen makes clusters of any size, as kubectl would print them, in
// which the address conflicts are known beforehand.
//
// A Cluster is a bare-metal cluster: kube-proxy in IPVS mode, Calico with IPIP,
// MetalLB, a control plane of three nodes behind a virtual address. Everything
// in it has an address of its own except what Planted lists, and except near
// misses: objects that look like a conflict and are none. The same Size always
// gives the same bytes.
package clustergen

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Size says how large a cluster is. The counts include what every cluster has:
// the Services of the API server and of DNS, the three Pods of each Node's own,
// the Pods of the control plane. Pools does not count the pools that a planted
// conflict adds.
type Size struct {
	Nodes, Services, ExternalIPServices, LoadBalancers, Pods, EndpointSlices, Pools, Conflicts int
	Seed                                                                                       uint64
}

// Big is the cluster that throughput is measured with.
func Big() Size {
	return Size{
		Nodes:              5_000,
		Services:           10_000,
		ExternalIPServices: 2_000,
		LoadBalancers:      2_000,
		Pods:               150_000,
		EndpointSlices:     10_000,
		Pools:              50,
		Conflicts:          100,
		Seed:               1,
	}
}

// Check says what of a size cannot be built, nil if nothing.
func (s Size) Check() error {
	var errs []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("size: "+format, args...))
		}
	}
	need := needs(s.Conflicts)
	apps := s.Services - systemServices
	plain := apps - s.ExternalIPServices - s.LoadBalancers
	refuse(s.Nodes < 1 || s.Nodes > maxNodes, "%d nodes, the address plan has room for 1 to %d", s.Nodes, maxNodes)
	refuse(apps > maxServices, "%d services, the address plan has room for %d", s.Services, maxServices)
	refuse(plain < need.plain, "%d services, %d with external addresses and %d load balancers leave %d of %d others", s.Services, s.ExternalIPServices, s.LoadBalancers, plain, need.plain)
	refuse(s.ExternalIPServices < need.external, "%d services with external addresses, the conflicts need %d", s.ExternalIPServices, need.external)
	refuse(s.LoadBalancers < need.balancers, "%d load balancers, the conflicts need %d", s.LoadBalancers, need.balancers)
	refuse(2*s.ExternalIPServices > maxExternal, "%d services with external addresses, the address plan has room for %d", s.ExternalIPServices, maxExternal/2)
	refuse(s.workers() < need.nodes, "%d worker nodes, the conflicts need %d", s.workers(), need.nodes)
	refuse(s.Pools < 0 || s.Pools > maxPools, "%d pools, the address plan has room for %d", s.Pools, maxPools)
	refuse(s.LoadBalancers > s.Pools*poolAddresses, "%d load balancers, %d pools hold %d addresses", s.LoadBalancers, s.Pools, s.Pools*poolAddresses)
	refuse(need.ranges > maxLabPools, "%d conflicts, the address plan has room for %d overlapping pools", s.Conflicts, maxLabPools)
	refuse(s.Pods < s.systemPods(), "%d pods, the cluster itself runs %d", s.Pods, s.systemPods())
	refuse(s.Pods-s.systemPods() < need.pods, "%d pods, the conflicts need %d besides the cluster's own %d", s.Pods, need.pods, s.systemPods())
	refuse(s.Pods-s.systemPods() > s.podNodes()*(podsPerNode-systemPodsOnPodNetwork), "%d pods, the address plan has room for %d on each of %d nodes", s.Pods, podsPerNode, s.podNodes())
	refuse(s.EndpointSlices < 0 || s.Conflicts < 0, "negative count")
	return errors.Join(errs...)
}

func (s Size) controlPlanes() int { return min(3, s.Nodes) }

// workers counts the Nodes beside the control plane.
func (s Size) workers() int { return s.Nodes - s.controlPlanes() }

// podNodes counts the Nodes that run the applications: the workers or, in a
// cluster that has none, the control plane.
func (s Size) podNodes() int {
	if s.workers() == 0 {
		return s.Nodes
	}
	return s.workers()
}

// podNode numbers the n-th Node of those.
func (s Size) podNode(n int) int { return s.Nodes - s.podNodes() + n }

// Planted is one finding that a complete check of the cluster must have.
type Planted struct {
	Rule    string   `json:"rule"`
	Address string   `json:"address,omitempty"`
	Range   string   `json:"range,omitempty"` // from-to, in place of an address
	Objects []string `json:"objects"`         // that a finding must name, sorted; it may name others, as a pod CIDR stands in many objects
	Why     string   `json:"why,omitempty"`   // for a finding that another planted one brings with it
}

// Cluster is one cluster. It does not change after New and may be used by
// several goroutines.
type Cluster struct {
	size       Size
	forms      forms
	namespaces []string
	services   []service
	workloads  []workload
	slices     []endpointSlice
	pools      []pool
	configMaps []configMap
	planted    []Planted
}

// New builds the plan of a cluster; the objects themselves are made when they
// are written. It panics on a size that Check refuses.
func New(size Size) *Cluster {
	if err := size.Check(); err != nil {
		panic(err)
	}
	b := &builder{Cluster: &Cluster{size: size, forms: readForms()}}
	b.layNamespaces()
	b.layServices()
	b.layWorkloads()
	b.layPools()
	b.plantConflicts()
	b.addNearMisses()
	b.fillServices()
	b.laySlices()
	b.layConfigMaps()
	return b.Cluster
}

// Planted lists the conflicts in the cluster, sorted by rule and address.
func (f *Cluster) Planted() []Planted { return slices.Clone(f.planted) }

// list is one kind of object: how many there are, and how one is written.
type list struct {
	kind  string
	count int
	item  func(*page, int)
}

func (f *Cluster) lists() []list {
	return []list{
		{"nodes", f.size.Nodes, f.writeNode},
		{"services", len(f.services), f.writeService},
		{"endpointslices", len(f.slices), f.writeSlice},
		{"pods", f.size.Pods, f.writePod},
		{"ipaddresspools", len(f.pools), f.writePool},
		{"configmaps", len(f.configMaps), f.writeConfigMap},
		{"daemonsets", len(f.daemons()), f.writeDaemonSet},
		{"ippools", 1, f.writeIPPool},
		{"l2advertisements", 1, f.writeL2Advertisement},
		{"namespaces", len(f.namespaces), f.writeNamespace},
		{"servicecidrs", 1, f.writeServiceCIDR},
	}
}

// Kinds lists what WriteList takes: the plural that kubectl takes too.
func (f *Cluster) Kinds() []string {
	var kinds []string
	for _, l := range f.lists() {
		kinds = append(kinds, l.kind)
	}
	return kinds
}

// pageSize is how much is gathered before it is written out.
const pageSize = 256 << 10

// WriteList writes what `kubectl get KIND -A -o json --show-managed-fields`
// would print.
func (f *Cluster) WriteList(w io.Writer, kind string) error {
	lists := f.lists()
	i := slices.IndexFunc(lists, func(l list) bool { return l.kind == kind })
	if i < 0 {
		return fmt.Errorf("write list: no kind %q in a generated cluster", kind)
	}
	p := &page{buf: make([]byte, 0, pageSize+64<<10), fresh: true}
	p.open('{')
	p.str("apiVersion", "v1")
	p.array("items")
	for n := range lists[i].count {
		p.item()
		lists[i].item(p, n)
		if err := p.flush(w, pageSize); err != nil {
			return fmt.Errorf("write list: %w", err)
		}
	}
	p.close(']')
	p.str("kind", "List")
	p.object("metadata")
	p.str("resourceVersion", "")
	p.close('}')
	p.close('}')
	p.buf = append(p.buf, '\n')
	if err := p.flush(w, 0); err != nil {
		return fmt.Errorf("write list: %w", err)
	}
	return nil
}
