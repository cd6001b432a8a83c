// SPDX-License-Identifier: Apache-2.0

// Package randcluster makes small random clusters as data, for property tests: a test
// can take one object or one claim out of them.
package randcluster

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"whohas/check"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/testkit/scenario"
)

// Cluster is a small cluster as data, so that a test can take one object or one
// claim out of it. Its addresses come from a universe so small that they meet.
type Cluster struct {
	Mode     dataplane.ProxyMode
	Complete bool
	K3s      bool
	Objects  []Object
}

// Object is one object: what it claims, and how it is written.
type Object struct {
	Kind   string
	Name   string
	Traits map[string]string
	Claims []Claim
}

// Claim is one claim of an object: a field and the text that stands in it.
type Claim struct{ Field, Text string }

func (w Cluster) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "mode %s, complete %v, k3s %v\n", w.Mode, w.Complete, w.K3s)
	for _, o := range w.Objects {
		fmt.Fprintf(&b, "  %s %s %v %v\n", o.Kind, o.Name, o.Traits, o.Claims)
	}
	return b.String()
}

// Without is the cluster less one object.
func (w Cluster) Without(i int) Cluster {
	w.Objects = slices.Delete(slices.Clone(w.Objects), i, i+1)
	return w
}

// With is the cluster with another object in the place of one.
func (w Cluster) With(i int, o Object) Cluster {
	w.Objects = slices.Clone(w.Objects)
	w.Objects[i] = o
	return w
}

// WithoutClaim is the object less one claim.
func (o Object) WithoutClaim(i int) Object {
	o.Claims = slices.Delete(slices.Clone(o.Claims), i, i+1)
	return o
}

// All lists the texts in one field.
func (o Object) All(field string) []string {
	var texts []string
	for _, c := range o.Claims {
		if c.Field == field {
			texts = append(texts, c.Text)
		}
	}
	return texts
}

// First is the first text in one field, or "".
func (o Object) First(field string) string {
	if texts := o.All(field); len(texts) > 0 {
		return texts[0]
	}
	return ""
}

type tree = map[string]any

// Manifest writes the object as the API has it.
func (o Object) Manifest(w Cluster) tree {
	labels, annotations, spec, status := tree{}, tree{}, tree{}, tree{}
	m := tree{"kind": o.Kind, "metadata": tree{"name": o.Name, "namespace": o.Traits["namespace"], "labels": labels, "annotations": annotations}, "spec": spec, "status": status}
	switch o.Kind {
	case "Node":
		m["apiVersion"] = "v1"
		delete(m["metadata"].(tree), "namespace")
		if w.K3s {
			labels["node.kubernetes.io/instance-type"] = "k3s"
		}
		if o.Traits["plane"] != "" {
			labels["node-role.kubernetes.io/control-plane"] = ""
		}
		for _, t := range []string{"projectcalico.org/IPv4IPIPTunnelAddr", "projectcalico.org/IPv4Address"} {
			if text := o.First(t); text != "" {
				annotations[t] = text
			}
		}
		var addresses []tree
		for _, t := range []string{"InternalIP", "ExternalIP"} {
			for _, text := range o.All(t) {
				addresses = append(addresses, tree{"type": t, "address": text})
			}
		}
		status["addresses"], spec["podCIDRs"] = addresses, o.All("podCIDR")
	case "Service":
		o.service(labels, annotations, spec, status)
		m["apiVersion"] = "v1"
	case "IPAddressPool":
		m["apiVersion"] = "metallb.io/v1beta1"
		spec["addresses"], spec["autoAssign"] = o.All("address"), o.Traits["autoAssign"] == ""
	case "L2Advertisement":
		m["apiVersion"] = "metallb.io/v1beta1"
	case "IPPool":
		m["apiVersion"] = "crd.projectcalico.org/v1"
		spec["cidr"] = o.First("cidr")
	case "ServiceCIDR":
		m["apiVersion"] = "networking.k8s.io/v1"
		spec["cidrs"] = o.All("cidr")
	case "BGPPeer":
		m["apiVersion"] = "metallb.io/v1beta2"
		spec["peerAddress"] = o.First("peer")
	case "ClusterConfiguration":
		m["apiVersion"] = "kubeadm.k8s.io/v1beta4"
		m["controlPlaneEndpoint"] = o.First("endpoint")
	case "Pod":
		m["apiVersion"] = "v1"
		spec["nodeName"], spec["hostNetwork"] = o.Traits["node"], o.Traits["hostNetwork"] != ""
		var ips []tree
		for _, text := range o.All("podIP") {
			ips = append(ips, tree{"ip": text})
		}
		status["phase"], status["podIPs"] = "Running", ips
	case "Gateway":
		m["apiVersion"] = "gateway.networking.k8s.io/v1"
		var addresses []tree
		for _, text := range o.All("address") {
			addresses = append(addresses, tree{"value": text})
		}
		spec["addresses"], spec["listeners"] = addresses, o.ports()
	case "EndpointSlice":
		m["apiVersion"] = "discovery.k8s.io/v1"
		m["endpoints"], m["ports"] = []tree{{"addresses": o.All("address")}}, o.ports()
	}
	return m
}

func (o Object) service(labels, annotations, spec, status tree) {
	spec["type"], spec["externalTrafficPolicy"], spec["selector"] = "LoadBalancer", o.Traits["policy"], tree{"app": o.Traits["app"]}
	spec["externalIPs"], spec["ports"] = o.All("externalIP"), o.ports()
	for _, f := range []string{"clusterIP", "loadBalancerIP"} {
		if text := o.First(f); text != "" {
			spec[f] = text
		}
	}
	for _, k := range []string{"metallb.io/loadBalancerIPs", "lbipam.cilium.io/ips"} {
		if texts := o.All(k); len(texts) > 0 {
			annotations[k] = strings.Join(texts, ",")
		}
	}
	if key := o.Traits["key"]; key != "" {
		annotation, value, _ := strings.Cut(key, "=")
		annotations[annotation] = value
	}
	if o.Traits["proxy"] != "" {
		labels[kubeproxy.OtherProxyLabel] = o.Traits["proxy"]
	}
	if o.Traits["gateway"] != "" {
		labels["gateway.networking.k8s.io/gateway-name"] = o.Traits["gateway"]
	}
	var ingress []tree
	for _, text := range o.All("ingress") {
		ingress = append(ingress, tree{"ip": text})
	}
	status["loadBalancer"] = tree{"ingress": ingress}
}

func (o Object) ports() []tree {
	var ports []tree
	for p := range strings.FieldsSeq(o.Traits["ports"]) {
		number, proto, _ := strings.Cut(p, "/")
		n, _ := strconv.Atoi(number) // of the test's own texts
		ports = append(ports, tree{"port": n, "protocol": proto})
	}
	return ports
}

// Snapshot reads the cluster as a dump would be read, one file for each object.
func (w Cluster) Snapshot(t rapid.TB) *snapshot.Snapshot {
	var b strings.Builder
	fmt.Fprintf(&b, "# made by a test\n-- scenario --\ncomplete: %v\n", w.Complete)
	for _, o := range w.Objects {
		if o.Kind == "Host" {
			text, err := json.Marshal(o.host())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "-- hosts/%s.json --\n%s\n", o.Name, text)
			continue
		}
		text, err := json.Marshal(o.Manifest(w))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "-- %s-%s.json --\n%s\n", o.Kind, o.Name, text)
	}
	s, err := scenario.Parse("random cluster", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return s.Snapshot
}

// host is what the kernel of a host holds.
func (o Object) host() dataplane.Host {
	h := dataplane.Host{Name: o.Name, Links: []dataplane.Link{{Name: "lo"}, {Name: "eth0"}, {Name: kubeproxy.IPVSDevice, Kind: "dummy"}}}
	for _, c := range o.Claims {
		ip := netip.MustParseAddr(c.Text)
		prefix := netip.PrefixFrom(ip, ip.BitLen())
		switch c.Field {
		case "eth0":
			prefix = netip.PrefixFrom(ip, 28)
			fallthrough
		case kubeproxy.IPVSDevice, "lo":
			h.Addresses = append(h.Addresses, dataplane.Address{Link: c.Field, Prefix: prefix})
		case "gateway":
			h.Routes = append(h.Routes, dataplane.Route{Table: dataplane.TableMain, Type: "unicast", To: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Via: ip, Link: "eth0"})
		case "server":
			h.Servers = append(h.Servers, dataplane.VirtualServer{Proto: "TCP", IP: ip, Port: 6443})
		case "external":
			h.Servers = append(h.Servers, dataplane.VirtualServer{Proto: "TCP", IP: ip, Port: 80})
			h.Sets = append(h.Sets, dataplane.Set{Name: kubeproxy.ExternalIPSet, Type: "hash:ip,port", Members: []string{ip.String() + ",tcp:80"}})
		case "told":
			h.Configured = append(h.Configured, dataplane.ConfiguredServer{What: "apiserver", For: "kubelet", Host: ip.String(), IP: ip, Port: 6443, File: "/etc/kubernetes/kubelet.conf"})
		case "session":
			h.Sessions = append(h.Sessions, dataplane.Session{Name: "Mesh", Speaker: "bird", Peer: ip, State: "Active"})
		case "answer":
			h.Replies = append(h.Replies, dataplane.AddressReply{IP: ip, Link: "eth0", Sent: 2, MACs: []string{"02:00:00:00:00:01", "02:00:00:00:00:02"}})
		case "nat":
			rule := fmt.Sprintf("-d %s -p tcp -m tcp --dport %s -j DNAT --to-destination 10.9.0.1:80", prefix, o.Traits["port"])
			h.Tables = append(h.Tables, dataplane.Table{Backend: "nft", Family: "ip", Name: "nat", Chains: []dataplane.Chain{{Name: "OUTPUT", Policy: "ACCEPT", Rules: []string{rule}}}})
		}
	}
	return h
}

// Input is what a check of the cluster works on.
func (w Cluster) Input(t rapid.TB) check.Input {
	s := w.Snapshot(t)
	return check.Input{View: claimants.View(s), Facts: cluster.Infer(s, w.Mode, "test"), Objects: s, Coverage: s.Coverage, Rules: rules.All()}
}

// Check is all that is found in the cluster.
func (w Cluster) Check(t rapid.TB) check.Result { return check.Run(w.Input(t)) }

// Generators.

var (
	universe = netip.MustParsePrefix("10.0.0.0/28")
	outside  = []string{"127.0.0.1", "::ffff:10.0.0.3", "10.0.0.04"}
	ports    = []string{"80/TCP", "443/TCP", "443/UDP", "6443/TCP", "10250/TCP"}
	cidrs    = []string{"10.0.0.0/28", "10.0.0.0/29", "10.0.0.8/29", "10.0.0.4/30", "10.0.0.12/30"}
	keys     = []string{"", "", "metallb.io/allow-shared-ip=a", "metallb.io/allow-shared-ip=b", "lbipam.cilium.io/sharing-key=a"}
)

func address() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 11).Draw(t, "odd") == 11 {
			return rapid.SampledFrom(outside).Draw(t, "outside")
		}
		ip := universe.Addr()
		for range rapid.IntRange(0, 7).Draw(t, "address") {
			ip = ip.Next()
		}
		return ip.String()
	})
}

// inside is an address as a kernel has one.
func inside() *rapid.Generator[string] {
	return address().Filter(func(text string) bool { return !slices.Contains(outside, text) })
}

// poolRange is an entry of a pool: a CIDR or a range in the universe.
func poolRange() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.Bool().Draw(t, "is a cidr") {
			return rapid.SampledFrom(cidrs).Draw(t, "cidr")
		}
		from := rapid.IntRange(0, 15).Draw(t, "from")
		to := rapid.IntRange(from, 15).Draw(t, "to")
		return fmt.Sprintf("10.0.0.%d-10.0.0.%d", from, to)
	})
}

// Random draws clusters in which, in time, every rule on an address or object speaks.
func Random() *rapid.Generator[Cluster] {
	return rapid.Custom(func(t *rapid.T) Cluster {
		w := Cluster{
			Mode:     rapid.SampledFrom([]dataplane.ProxyMode{dataplane.IPVS, dataplane.IPTables, dataplane.EBPF, dataplane.ModeUnknown}).Draw(t, "mode"),
			Complete: rapid.Bool().Draw(t, "complete"), K3s: rapid.Bool().Draw(t, "k3s"),
		}
		for kind, most := range kinds() {
			for i := range rapid.IntRange(0, most.n).Draw(t, kind) {
				w.Objects = append(w.Objects, most.make(t, kind, i))
			}
		}
		return w
	})
}

// Any is another object of a kind, with the name of the i-th of them.
func Any(kind string, i int) *rapid.Generator[Object] {
	return rapid.Custom(func(t *rapid.T) Object {
		for k, m := range kinds() {
			if k == kind {
				return m.make(t, kind, i)
			}
		}
		panic("no such kind: " + kind)
	})
}

type maker struct {
	n      int
	traits func(*rapid.T) map[string]string
	claims func(*rapid.T) []Claim
}

func (m maker) make(t *rapid.T, kind string, i int) Object {
	return Object{Kind: kind, Name: fmt.Sprintf("%s%d", strings.ToLower(kind[:2]), i), Traits: m.traits(t), Claims: m.claims(t)}
}

// kinds yields how many of each kind a cluster has at most, and how they are made.
func kinds() func(func(string, maker) bool) {
	none := func(*rapid.T) map[string]string { return nil }
	return func(yield func(string, maker) bool) {
		_ = yield("Service", maker{4, serviceTraits, claimsIn(4, address(), "externalIP", "ingress", "clusterIP", "loadBalancerIP", "metallb.io/loadBalancerIPs", "lbipam.cilium.io/ips")}) &&
			yield("Node", maker{3, flags("plane"), nodeClaims}) &&
			yield("Host", maker{2, func(t *rapid.T) map[string]string {
				return map[string]string{"port": rapid.SampledFrom([]string{"80", "6443", "10250"}).Draw(t, "port")}
			}, claimsIn(3, inside(), "eth0", kubeproxy.IPVSDevice, "lo", "gateway", "server", "external", "external", "nat", "told", "session", "answer")}) &&
			yield("IPAddressPool", maker{3, flags("autoAssign"), claimsIn(2, poolRange(), "address")}) &&
			yield("L2Advertisement", maker{1, none, func(*rapid.T) []Claim { return nil }}) &&
			yield("ServiceCIDR", maker{2, none, claimsIn(2, rapid.SampledFrom(cidrs), "cidr")}) &&
			yield("IPPool", maker{2, none, claimsIn(1, rapid.SampledFrom(cidrs), "cidr")}) &&
			yield("BGPPeer", maker{1, none, claimsIn(1, address(), "peer")}) &&
			yield("ClusterConfiguration", maker{1, none, func(t *rapid.T) []Claim {
				return []Claim{{"endpoint", address().Draw(t, "endpoint") + ":6443"}}
			}}) &&
			yield("Pod", maker{2, func(t *rapid.T) map[string]string {
				traits := flags("hostNetwork")(t)
				traits["node"] = rapid.SampledFrom([]string{"no0", "no1", "no9"}).Draw(t, "node")
				return traits
			}, claimsIn(1, address(), "podIP")}) &&
			yield("EndpointSlice", maker{1, func(t *rapid.T) map[string]string {
				return map[string]string{
					"namespace": rapid.SampledFrom([]string{"default", "other"}).Draw(t, "namespace"),
					"ports":     rapid.SampledFrom([]string{"80/TCP", "6443/TCP", "6443/TCP 80/TCP"}).Draw(t, "ports"),
				}
			}, claimsIn(2, address(), "address")}) &&
			yield("Gateway", maker{2, func(*rapid.T) map[string]string { return map[string]string{"ports": "443/TCP"} }, claimsIn(2, address(), "address")})
	}
}

func flags(names ...string) func(*rapid.T) map[string]string {
	return func(t *rapid.T) map[string]string {
		traits := map[string]string{}
		for _, n := range names {
			if rapid.Bool().Draw(t, n) {
				traits[n] = "yes"
			}
		}
		return traits
	}
}

func claimsIn(most int, texts *rapid.Generator[string], fields ...string) func(*rapid.T) []Claim {
	return func(t *rapid.T) []Claim {
		claims := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Claim {
			return Claim{rapid.SampledFrom(fields).Draw(t, "field"), texts.Draw(t, "text")}
		}), 1, most).Draw(t, "claims")
		seen := map[string]bool{}
		return slices.DeleteFunc(claims, func(c Claim) bool {
			second := seen[c.Field]
			seen[c.Field] = true
			return second && (c.Field == "clusterIP" || c.Field == "loadBalancerIP") // these hold one text
		})
	}
}

func nodeClaims(t *rapid.T) []Claim {
	claims := []Claim{{"InternalIP", address().Draw(t, "internal")}}
	for _, more := range []Claim{
		{"ExternalIP", address().Draw(t, "external")}, {"podCIDR", rapid.SampledFrom(cidrs).Draw(t, "pods")},
		{"projectcalico.org/IPv4IPIPTunnelAddr", address().Draw(t, "tunnel")}, {"projectcalico.org/IPv4Address", claims[0].Text + "/29"},
	} {
		if rapid.IntRange(0, 2).Draw(t, more.Field) == 2 {
			claims = append(claims, more)
		}
	}
	return claims
}

func serviceTraits(t *rapid.T) map[string]string {
	return map[string]string{
		"namespace": rapid.SampledFrom([]string{"default", "other"}).Draw(t, "namespace"),
		"key":       rapid.SampledFrom(keys).Draw(t, "key"),
		"policy":    rapid.SampledFrom([]string{"Cluster", "Local"}).Draw(t, "policy"),
		"app":       rapid.SampledFrom([]string{"a", "b"}).Draw(t, "app"),
		"ports":     strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(ports), 1, 2, rapid.ID).Draw(t, "ports"), " "),
		"proxy":     rapid.SampledFrom([]string{"", "", "", "other"}).Draw(t, "proxy"),
		"gateway":   rapid.SampledFrom([]string{"", "", "", "ga0"}).Draw(t, "gateway"),
	}
}
