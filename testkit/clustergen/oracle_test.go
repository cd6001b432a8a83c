// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The oracle finds the conflicts of a generated cluster again, slowly and from its output
// alone, by the conditions of the rules. What it finds must be what was
// planted: all of it and nothing else.

type meta struct {
	Name, Namespace string
	UID             string
	Labels          map[string]string
	Annotations     map[string]string
	OwnerReferences []struct {
		Kind, Name, UID string
		Controller      bool
	}
}

type serviceObject struct {
	Metadata meta
	Spec     struct {
		Type, ClusterIP   string
		ExternalIPs       []netip.Addr
		LoadBalancerClass string
		Ports             []struct {
			Port     int
			Protocol string
			NodePort int
		}
	}
	Status struct {
		LoadBalancer struct {
			Ingress []struct {
				IP     netip.Addr
				IPMode string
			}
		}
	}
}

func (s serviceObject) object() string {
	return "Service " + s.Metadata.Namespace + "/" + s.Metadata.Name
}

// vips are the addresses that kube-proxy serves for a Service.
func (s serviceObject) vips() []netip.Addr {
	all := slices.Clone(s.Spec.ExternalIPs)
	return unique(append(all, s.ingress()...))
}

func (s serviceObject) ingress() []netip.Addr {
	var all []netip.Addr
	for _, in := range s.Status.LoadBalancer.Ingress {
		if in.IP.IsValid() && in.IPMode != "Proxy" {
			all = append(all, in.IP)
		}
	}
	return all
}

func (s serviceObject) requests() []netip.Addr {
	if text, ok := s.Metadata.Annotations["metallb.io/loadBalancerIPs"]; ok {
		return []netip.Addr{netip.MustParseAddr(text)}
	}
	return nil
}

func (s serviceObject) claims() []netip.Addr { return unique(append(s.vips(), s.requests()...)) }

func (s serviceObject) frontends() []string {
	var all []string
	for _, p := range s.Spec.Ports {
		all = append(all, fmt.Sprint(p.Port, p.Protocol))
	}
	return all
}

func unique(all []netip.Addr) []netip.Addr {
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

type nodeObject struct {
	Metadata meta
	Spec     struct{ PodCIDR netip.Prefix }
	Status   struct {
		Addresses []struct{ Type, Address string }
	}
}

type podObject struct {
	Metadata meta
	Spec     struct {
		HostNetwork bool
		NodeName    string
	}
	Status struct{ HostIP, PodIP netip.Addr }
}

type sliceObject struct {
	Metadata  meta
	Endpoints []struct {
		Addresses []netip.Addr
		NodeName  string
		TargetRef struct{ Kind, Name, Namespace, UID string }
	}
}

type poolObject struct {
	Metadata meta
	Spec     struct {
		Addresses  []string
		AutoAssign bool
	}
}

// reach is one range of a pool.
type reach struct {
	pool     string
	auto     bool
	from, to netip.Addr
}

func (r reach) holds(a netip.Addr) bool { return r.from.Compare(a) <= 0 && a.Compare(r.to) <= 0 }

type world struct {
	services      []serviceObject
	hosts         map[netip.Addr]string // InternalIPs and tunnel addresses
	tunnels       map[netip.Addr]string
	controlPlane  map[netip.Addr]string
	clusterIPs    map[netip.Addr]string
	pods          map[netip.Addr]string
	ranges        []reach
	podCIDR, cidr netip.Prefix
	found         []Planted
}

func (w *world) report(rule string, a netip.Addr, objects ...string) {
	slices.Sort(objects)
	w.found = append(w.found, Planted{Rule: rule, Address: a.String(), Objects: objects})
}

func readWorld(t *testing.T, f *Cluster) *world {
	w := &world{
		services: itemsOf[serviceObject](t, f, "services"),
		hosts:    map[netip.Addr]string{}, tunnels: map[netip.Addr]string{}, controlPlane: map[netip.Addr]string{},
		clusterIPs: map[netip.Addr]string{}, pods: map[netip.Addr]string{},
	}
	own := func(owners map[netip.Addr]string, a netip.Addr, object string) {
		if other, taken := owners[a]; taken {
			t.Errorf("%s belongs to %s and %s", a, other, object)
		}
		owners[a] = object
	}
	for _, n := range itemsOf[nodeObject](t, f, "nodes") {
		own(w.hosts, netip.MustParseAddr(n.Status.Addresses[0].Address), "Node "+n.Metadata.Name)
		tunnel := netip.MustParseAddr(n.Metadata.Annotations["projectcalico.org/IPv4IPIPTunnelAddr"])
		own(w.hosts, tunnel, "Node "+n.Metadata.Name)
		own(w.tunnels, tunnel, "Node "+n.Metadata.Name)
	}
	for _, s := range w.services {
		if a, err := netip.ParseAddr(s.Spec.ClusterIP); err == nil {
			own(w.clusterIPs, a, s.object())
		}
	}
	w.readPods(t, f, own)
	w.readPools(t, f)
	w.readRanges(t, f)
	w.readControlPlane(t, f, own)
	return w
}

func (w *world) readPods(t *testing.T, f *Cluster, own func(map[netip.Addr]string, netip.Addr, string)) {
	for _, p := range itemsOf[podObject](t, f, "pods") {
		if p.Spec.HostNetwork {
			if p.Status.PodIP != p.Status.HostIP || w.hosts[p.Status.PodIP] != "Node "+p.Spec.NodeName {
				t.Errorf("pod %s: %s is not the address of %s", p.Metadata.Name, p.Status.PodIP, p.Spec.NodeName)
			}
			continue
		}
		if host, taken := w.hosts[p.Status.PodIP]; taken {
			t.Errorf("pod %s has the address of %s", p.Metadata.Name, host)
		}
		own(w.pods, p.Status.PodIP, "Pod "+p.Metadata.Namespace+"/"+p.Metadata.Name)
	}
}

func (w *world) readPools(t *testing.T, f *Cluster) {
	for _, p := range itemsOf[poolObject](t, f, "ipaddresspools") {
		for _, text := range p.Spec.Addresses {
			r := reach{pool: "IPAddressPool metallb-system/" + p.Metadata.Name, auto: p.Spec.AutoAssign}
			if from, to, ok := strings.Cut(text, "-"); ok {
				r.from, r.to = netip.MustParseAddr(from), netip.MustParseAddr(to)
			} else {
				prefix := netip.MustParsePrefix(text)
				r.from, r.to = prefix.Masked().Addr(), lastOf(prefix)
				if r.auto {
					t.Errorf("%s: %s would hand out its network address", p.Metadata.Name, text)
				}
			}
			w.ranges = append(w.ranges, r)
		}
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr()
	for p.Contains(a.Next()) {
		a = a.Next()
	}
	return a
}

func (w *world) readRanges(t *testing.T, f *Cluster) {
	w.cidr = itemsOf[struct {
		Spec struct{ CIDRs []netip.Prefix }
	}](t, f, "servicecidrs")[0].Spec.CIDRs[0]
	w.podCIDR = itemsOf[struct{ Spec struct{ CIDR netip.Prefix } }](t, f, "ippools")[0].Spec.CIDR
	if w.cidr.Overlaps(w.podCIDR) {
		t.Error("ServiceCIDR and pod CIDR overlap")
	}
	for _, n := range itemsOf[nodeObject](t, f, "nodes") {
		if !w.podCIDR.Contains(n.Spec.PodCIDR.Addr()) {
			t.Errorf("%s: %s outside the pod CIDR", n.Metadata.Name, n.Spec.PodCIDR)
		}
	}
}

func (w *world) readControlPlane(t *testing.T, f *Cluster, own func(map[netip.Addr]string, netip.Addr, string)) {
	endpoint := regexp.MustCompile(`controlPlaneEndpoint: (\S+)`)
	for _, c := range itemsOf[struct {
		Metadata meta
		Data     map[string]string
	}](t, f, "configmaps") {
		if found := endpoint.FindStringSubmatch(c.Data["ClusterConfiguration"]); found != nil {
			own(w.controlPlane, netip.MustParseAddrPort(found[1]).Addr(), "ConfigMap kube-system/kubeadm-config")
		}
	}
	for _, s := range itemsOf[sliceObject](t, f, "endpointslices") {
		if s.Metadata.Name != "kubernetes" {
			continue
		}
		for _, e := range s.Endpoints {
			own(w.controlPlane, e.Addresses[0], "EndpointSlice default/kubernetes")
		}
	}
}

func (w *world) findOnHosts() {
	for _, s := range w.services {
		for _, a := range unique(slices.Clone(s.Spec.ExternalIPs)) {
			if host, ok := w.hosts[a]; ok {
				w.report("WH101", a, s.object(), host)
			}
		}
		for _, a := range s.ingress() {
			if host, ok := w.hosts[a]; ok {
				w.report("WH102", a, s.object(), host)
			}
		}
		for _, a := range s.requests() {
			if host, ok := w.hosts[a]; ok {
				w.report("WH103", a, s.object(), host)
			}
		}
		for _, a := range s.claims() {
			if object, ok := w.controlPlane[a]; ok {
				w.report("WH106", a, s.object(), object)
			}
			if host, ok := w.tunnels[a]; ok {
				w.report("WH107", a, s.object(), host)
			}
		}
	}
	for _, r := range w.ranges {
		for a, host := range w.hosts {
			if r.holds(a) {
				w.report("WH104", a, r.pool, host)
			}
		}
		for a, object := range w.controlPlane {
			if r.holds(a) {
				w.report("WH106", a, r.pool, object)
			}
		}
	}
}

func (w *world) findInServicePlane() {
	byVIP := map[netip.Addr][]serviceObject{}
	for _, s := range w.services {
		for _, a := range s.vips() {
			byVIP[a] = append(byVIP[a], s)
		}
		for _, a := range s.claims() {
			if owner, ok := w.clusterIPs[a]; ok && owner != s.object() {
				w.report("WH203", a, s.object(), owner)
			}
			if w.cidr.Contains(a) {
				w.report("WH204", a, s.object())
			}
			if pod, ok := w.pods[a]; ok {
				w.report("WH205", a, s.object(), pod)
			} else if w.podCIDR.Contains(a) {
				w.report("WH205", a, s.object())
			}
		}
	}
	for a, all := range byVIP {
		for i, s := range all {
			for _, other := range all[i+1:] {
				w.findPair(a, s, other)
			}
		}
	}
}

func (w *world) findPair(a netip.Addr, s, other serviceObject) {
	const key = "metallb.io/allow-shared-ip"
	for _, each := range s.frontends() {
		if slices.Contains(other.frontends(), each) {
			w.report("WH201", a, s.object(), other.object())
			return
		}
	}
	if s.Metadata.Annotations[key] == "" || s.Metadata.Annotations[key] != other.Metadata.Annotations[key] {
		w.report("WH202", a, s.object(), other.object())
	}
}

func (w *world) inPools(a netip.Addr, auto bool) bool {
	return slices.ContainsFunc(w.ranges, func(r reach) bool { return r.holds(a) && (r.auto || !auto) })
}

func (w *world) findInPools() {
	for i, r := range w.ranges {
		for _, o := range w.ranges[i+1:] {
			if r.holds(o.from) || o.holds(r.from) {
				from, to := r.from, r.to
				if from.Less(o.from) {
					from = o.from
				}
				if o.to.Less(to) {
					to = o.to
				}
				w.found = append(w.found, Planted{Rule: "WH301", Range: span(from, to), Objects: []string{r.pool, o.pool}})
			}
		}
		for _, p := range []netip.Prefix{w.cidr, w.podCIDR} {
			if r.holds(p.Addr()) || p.Contains(r.from) {
				w.report("WH302", r.from, r.pool)
			}
		}
	}
	for _, s := range w.services {
		for _, a := range s.Spec.ExternalIPs {
			if w.inPools(a, true) {
				w.report("WH214", a, s.object())
			}
		}
		if s.Spec.LoadBalancerClass != "" {
			continue
		}
		for _, a := range s.ingress() {
			if !w.inPools(a, false) {
				w.report("WH212", a, s.object())
			}
		}
		for _, a := range s.requests() {
			if !w.inPools(a, false) {
				w.report("WH308", a, s.object())
			}
		}
	}
}

func sortPlanted(all []Planted) {
	slices.SortFunc(all, func(x, y Planted) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
}

func TestPlantedIsAllThereIs(t *testing.T) {
	larger := Size{Nodes: 120, Services: 900, ExternalIPServices: 200, LoadBalancers: 220, Pods: 2000, EndpointSlices: 700, Pools: 12, Conflicts: 100, Seed: 3}
	clean := small()
	clean.Conflicts = 0
	for _, size := range []Size{small(), clean, larger} {
		f := New(size)
		w := readWorld(t, f)
		w.findOnHosts()
		w.findInServicePlane()
		w.findInPools()
		want := f.Planted()
		for i := range want {
			want[i].Why = ""
		}
		sortPlanted(want)
		sortPlanted(w.found)
		if diff := cmp.Diff(want, w.found); diff != "" {
			t.Errorf("%+v: -planted +found:\n%s", size, diff)
		}
	}
}

func TestNodePortsDoNotClash(t *testing.T) {
	f := New(Big())
	seen := map[string]string{}
	for _, s := range itemsOf[serviceObject](t, f, "services") {
		for _, p := range s.Spec.Ports {
			key := fmt.Sprint(p.NodePort, p.Protocol)
			if other, ok := seen[key]; ok && p.NodePort != 0 {
				t.Errorf("node port %s: %s and %s", key, other, s.object())
			}
			seen[key] = s.object()
		}
	}
}

func TestSlicesNameRealPods(t *testing.T) {
	f := New(small())
	pods := map[string]podObject{}
	for _, p := range itemsOf[podObject](t, f, "pods") {
		pods[p.Metadata.UID] = p
	}
	uids := map[string]string{}
	for _, s := range itemsOf[serviceObject](t, f, "services") {
		uids[s.Metadata.UID] = s.object()
	}
	endpoints := 0
	for _, s := range itemsOf[sliceObject](t, f, "endpointslices") {
		if s.Metadata.Namespace == "default" {
			continue
		}
		if owners := s.Metadata.OwnerReferences; len(owners) != 1 || !owners[0].Controller || uids[owners[0].UID] != "Service "+s.Metadata.Namespace+"/"+owners[0].Name {
			t.Errorf("slice %s: owners %v", s.Metadata.Name, owners)
		}
		for _, e := range s.Endpoints {
			p := pods[e.TargetRef.UID]
			if p.Metadata.Name != e.TargetRef.Name || p.Metadata.Namespace != e.TargetRef.Namespace || p.Status.PodIP != e.Addresses[0] || p.Spec.NodeName != e.NodeName {
				t.Errorf("slice %s: endpoint %+v, pod %+v", s.Metadata.Name, e, p)
			}
			endpoints++
		}
	}
	if endpoints < 100 {
		t.Errorf("%d endpoints", endpoints)
	}
}

func TestPlantedAddressesStandInTheirObjects(t *testing.T) {
	f := New(small())
	texts := map[string]string{}
	for kind, name := range map[string]string{"nodes": "Node", "services": "Service", "pods": "Pod", "configmaps": "ConfigMap", "ipaddresspools": "IPAddressPool"} {
		for _, raw := range itemsOf[json.RawMessage](t, f, kind) {
			var o struct{ Metadata meta }
			if err := json.Unmarshal(raw, &o); err != nil {
				t.Fatal(err)
			}
			texts[name+" "+strings.TrimPrefix(o.Metadata.Namespace+"/"+o.Metadata.Name, "/")] = string(raw)
		}
	}
	for _, p := range f.Planted() {
		for _, object := range p.Objects {
			text, ok := texts[object]
			if !ok {
				t.Errorf("%s: no object %s", p.Rule, object)
			}
			if p.Range == "" && !regexp.MustCompile(`\b`+regexp.QuoteMeta(p.Address)+`\b`).MatchString(text) {
				t.Errorf("%s: %s does not stand in %s", p.Rule, p.Address, object)
			}
		}
	}
}

// Each near miss is in a generated cluster of ordinary size.
func TestNearMisses(t *testing.T) {
	f := New(small())
	keys, ports, thrice, proxied, hostname := map[string]int{}, 0, 0, 0, 0
	for _, s := range itemsOf[serviceObject](t, f, "services") {
		if key := s.Metadata.Annotations["metallb.io/allow-shared-ip"]; key != "" {
			keys[key]++
		}
		if len(s.Spec.ExternalIPs) == 1 && len(s.Spec.Ports) > 5 {
			ports++
		}
		if len(s.Spec.ExternalIPs) == 1 && slices.Equal(s.Spec.ExternalIPs, s.ingress()) && slices.Equal(s.Spec.ExternalIPs, s.requests()) {
			thrice++
		}
		for _, in := range s.Status.LoadBalancer.Ingress {
			if in.IPMode == "Proxy" {
				proxied++
			}
			if !in.IP.IsValid() {
				hostname++
			}
		}
	}
	if keys["shared-000"] != 2 || keys["dns-000"] != 2 || ports == 0 || thrice == 0 || proxied == 0 || hostname == 0 {
		t.Errorf("keys %v, many ports %d, thrice %d, proxied %d, hostname %d", keys, ports, thrice, proxied, hostname)
	}
}
