// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"whohas/check"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/internal/scenario"
	"whohas/rules"
	"whohas/snapshot"
)

// A world is a small cluster as data, so that a test can take one object or one
// claim out of it. Its addresses come from a universe so small that they meet.
type world struct {
	mode     dataplane.ProxyMode
	complete bool
	k3s      bool
	objects  []thing
}

// thing is one object: what it claims, and how it is written.
type thing struct {
	kind   string
	name   string
	traits map[string]string
	claims []stake
}

// stake is one claim of a thing: a field and the text that stands in it.
type stake struct{ field, text string }

func (w world) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "mode %s, complete %v, k3s %v\n", w.mode, w.complete, w.k3s)
	for _, o := range w.objects {
		fmt.Fprintf(&b, "  %s %s %v %v\n", o.kind, o.name, o.traits, o.claims)
	}
	return b.String()
}

// without is the world less one object.
func (w world) without(i int) world {
	w.objects = slices.Delete(slices.Clone(w.objects), i, i+1)
	return w
}

// with is the world with another object in the place of one.
func (w world) with(i int, o thing) world {
	w.objects = slices.Clone(w.objects)
	w.objects[i] = o
	return w
}

// withoutClaim is the thing less one claim.
func (o thing) withoutClaim(i int) thing {
	o.claims = slices.Delete(slices.Clone(o.claims), i, i+1)
	return o
}

// all lists the texts in one field.
func (o thing) all(field string) []string {
	var texts []string
	for _, c := range o.claims {
		if c.field == field {
			texts = append(texts, c.text)
		}
	}
	return texts
}

func (o thing) first(field string) string {
	if texts := o.all(field); len(texts) > 0 {
		return texts[0]
	}
	return ""
}

type tree = map[string]any

// manifest writes the thing as the API has it.
func (o thing) manifest(w world) tree {
	labels, annotations, spec, status := tree{}, tree{}, tree{}, tree{}
	m := tree{"kind": o.kind, "metadata": tree{"name": o.name, "namespace": o.traits["namespace"], "labels": labels, "annotations": annotations}, "spec": spec, "status": status}
	switch o.kind {
	case "Node":
		m["apiVersion"] = "v1"
		delete(m["metadata"].(tree), "namespace")
		if w.k3s {
			labels["node.kubernetes.io/instance-type"] = "k3s"
		}
		if o.traits["plane"] != "" {
			labels["node-role.kubernetes.io/control-plane"] = ""
		}
		for _, t := range []string{"projectcalico.org/IPv4IPIPTunnelAddr", "projectcalico.org/IPv4Address"} {
			if text := o.first(t); text != "" {
				annotations[t] = text
			}
		}
		var addresses []tree
		for _, t := range []string{"InternalIP", "ExternalIP"} {
			for _, text := range o.all(t) {
				addresses = append(addresses, tree{"type": t, "address": text})
			}
		}
		status["addresses"], spec["podCIDRs"] = addresses, o.all("podCIDR")
	case "Service":
		o.service(labels, annotations, spec, status)
		m["apiVersion"] = "v1"
	case "IPAddressPool":
		m["apiVersion"] = "metallb.io/v1beta1"
		spec["addresses"], spec["autoAssign"] = o.all("address"), o.traits["autoAssign"] == ""
	case "L2Advertisement":
		m["apiVersion"] = "metallb.io/v1beta1"
	case "IPPool":
		m["apiVersion"] = "crd.projectcalico.org/v1"
		spec["cidr"] = o.first("cidr")
	case "ServiceCIDR":
		m["apiVersion"] = "networking.k8s.io/v1"
		spec["cidrs"] = o.all("cidr")
	case "BGPPeer":
		m["apiVersion"] = "metallb.io/v1beta2"
		spec["peerAddress"] = o.first("peer")
	case "ClusterConfiguration":
		m["apiVersion"] = "kubeadm.k8s.io/v1beta4"
		m["controlPlaneEndpoint"] = o.first("endpoint")
	case "Pod":
		m["apiVersion"] = "v1"
		spec["nodeName"], spec["hostNetwork"] = o.traits["node"], o.traits["hostNetwork"] != ""
		var ips []tree
		for _, text := range o.all("podIP") {
			ips = append(ips, tree{"ip": text})
		}
		status["phase"], status["podIPs"] = "Running", ips
	case "Gateway":
		m["apiVersion"] = "gateway.networking.k8s.io/v1"
		var addresses []tree
		for _, text := range o.all("address") {
			addresses = append(addresses, tree{"value": text})
		}
		spec["addresses"], spec["listeners"] = addresses, o.ports()
	}
	return m
}

func (o thing) service(labels, annotations, spec, status tree) {
	spec["type"], spec["externalTrafficPolicy"], spec["selector"] = "LoadBalancer", o.traits["policy"], tree{"app": o.traits["app"]}
	spec["externalIPs"], spec["ports"] = o.all("externalIP"), o.ports()
	for _, f := range []string{"clusterIP", "loadBalancerIP"} {
		if text := o.first(f); text != "" {
			spec[f] = text
		}
	}
	for _, k := range []string{"metallb.io/loadBalancerIPs", "lbipam.cilium.io/ips"} {
		if texts := o.all(k); len(texts) > 0 {
			annotations[k] = strings.Join(texts, ",")
		}
	}
	if key := o.traits["key"]; key != "" {
		annotation, value, _ := strings.Cut(key, "=")
		annotations[annotation] = value
	}
	if o.traits["proxy"] != "" {
		labels["service.kubernetes.io/service-proxy-name"] = o.traits["proxy"]
	}
	if o.traits["gateway"] != "" {
		labels["gateway.networking.k8s.io/gateway-name"] = o.traits["gateway"]
	}
	var ingress []tree
	for _, text := range o.all("ingress") {
		ingress = append(ingress, tree{"ip": text})
	}
	status["loadBalancer"] = tree{"ingress": ingress}
}

func (o thing) ports() []tree {
	var ports []tree
	for p := range strings.FieldsSeq(o.traits["ports"]) {
		number, proto, _ := strings.Cut(p, "/")
		var n int
		fmt.Sscan(number, &n)
		ports = append(ports, tree{"port": n, "protocol": proto})
	}
	return ports
}

// snapshot reads the world as a dump would be read, one file for each object.
func (w world) snapshot(t rapid.TB) *snapshot.Snapshot {
	var b strings.Builder
	fmt.Fprintf(&b, "# made by a test\n-- scenario --\ncomplete: %v\n", w.complete)
	for _, o := range w.objects {
		if o.kind == "Host" {
			text, err := json.Marshal(o.host())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "-- hosts/%s.json --\n%s\n", o.name, text)
			continue
		}
		text, err := json.Marshal(o.manifest(w))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "-- %s-%s.json --\n%s\n", o.kind, o.name, text)
	}
	s, err := scenario.Parse("world", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return s.Snapshot
}

// host is what the kernel of a host holds.
func (o thing) host() dataplane.Host {
	h := dataplane.Host{Name: o.name, Links: []dataplane.Link{{Name: "lo"}, {Name: "eth0"}, {Name: "kube-ipvs0", Kind: "dummy"}}}
	for _, c := range o.claims {
		ip := netip.MustParseAddr(c.text)
		prefix := netip.PrefixFrom(ip, ip.BitLen())
		switch c.field {
		case "eth0":
			prefix = netip.PrefixFrom(ip, 28)
			fallthrough
		case "kube-ipvs0", "lo":
			h.Addresses = append(h.Addresses, dataplane.Address{Link: c.field, Prefix: prefix})
		case "gateway":
			h.Routes = append(h.Routes, dataplane.Route{Table: dataplane.TableMain, Type: "unicast", To: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Via: ip, Link: "eth0"})
		case "server":
			h.Servers = append(h.Servers, dataplane.VirtualServer{Proto: "TCP", IP: ip, Port: 6443})
		case "external":
			h.Servers = append(h.Servers, dataplane.VirtualServer{Proto: "TCP", IP: ip, Port: 80})
			h.Sets = append(h.Sets, dataplane.Set{Name: "KUBE-EXTERNAL-IP", Type: "hash:ip,port", Members: []string{ip.String() + ",tcp:80"}})
		case "told":
			h.Told = append(h.Told, dataplane.Whereabout{What: "apiserver", For: "kubelet", Host: ip.String(), IP: ip, Port: 6443, File: "/etc/kubernetes/kubelet.conf"})
		case "session":
			h.Sessions = append(h.Sessions, dataplane.Session{Name: "Mesh", Speaker: "bird", Peer: ip, State: "Active"})
		case "answer":
			h.Echoes = append(h.Echoes, dataplane.Echo{IP: ip, Link: "eth0", Sent: 2, MACs: []string{"02:00:00:00:00:01", "02:00:00:00:00:02"}})
		case "nat":
			rule := fmt.Sprintf("-d %s -p tcp -m tcp --dport %s -j DNAT --to-destination 10.9.0.1:80", prefix, o.traits["port"])
			h.Tables = append(h.Tables, dataplane.Table{Backend: "nft", Family: "ip", Name: "nat", Chains: []dataplane.Chain{{Name: "OUTPUT", Policy: "ACCEPT", Rules: []string{rule}}}})
		}
	}
	return h
}

// input is what a check of the world works on.
func (w world) input(t rapid.TB) check.Input {
	s := w.snapshot(t)
	return check.Input{View: claimants.View(s), Facts: cluster.Draw(s, w.mode, "test"), Objects: s, Coverage: s.Coverage, Rules: rules.All()}
}

func (w world) check(t rapid.TB) check.Result { return check.Run(w.input(t)) }

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

func randomWorld() *rapid.Generator[world] {
	return rapid.Custom(func(t *rapid.T) world {
		w := world{
			mode:     rapid.SampledFrom([]dataplane.ProxyMode{dataplane.IPVS, dataplane.IPTables, dataplane.EBPF, dataplane.ModeUnknown}).Draw(t, "mode"),
			complete: rapid.Bool().Draw(t, "complete"), k3s: rapid.Bool().Draw(t, "k3s"),
		}
		for kind, most := range kinds() {
			n := rapid.IntRange(0, most.n).Draw(t, kind)
			for i := range n {
				w.objects = append(w.objects, thing{kind: kind, name: fmt.Sprintf("%s%d", strings.ToLower(kind[:2]), i), traits: most.traits(t), claims: most.claims(t)})
			}
		}
		return w
	})
}

type maker struct {
	n      int
	traits func(*rapid.T) map[string]string
	claims func(*rapid.T) []stake
}

// kinds yields how many of each kind a world has at most, and how they are made.
func kinds() func(func(string, maker) bool) {
	none := func(*rapid.T) map[string]string { return nil }
	return func(yield func(string, maker) bool) {
		_ = yield("Service", maker{4, serviceTraits, claimsIn(4, address(), "externalIP", "ingress", "clusterIP", "loadBalancerIP", "metallb.io/loadBalancerIPs", "lbipam.cilium.io/ips")}) &&
			yield("Node", maker{3, flags("plane"), nodeClaims}) &&
			yield("Host", maker{2, func(t *rapid.T) map[string]string {
				return map[string]string{"port": rapid.SampledFrom([]string{"80", "6443", "10250"}).Draw(t, "port")}
			}, claimsIn(3, inside(), "eth0", "kube-ipvs0", "lo", "gateway", "server", "external", "external", "nat", "told", "session", "answer")}) &&
			yield("IPAddressPool", maker{3, flags("autoAssign"), claimsIn(2, poolRange(), "address")}) &&
			yield("L2Advertisement", maker{1, none, func(*rapid.T) []stake { return nil }}) &&
			yield("ServiceCIDR", maker{2, none, claimsIn(2, rapid.SampledFrom(cidrs), "cidr")}) &&
			yield("IPPool", maker{2, none, claimsIn(1, rapid.SampledFrom(cidrs), "cidr")}) &&
			yield("BGPPeer", maker{1, none, claimsIn(1, address(), "peer")}) &&
			yield("ClusterConfiguration", maker{1, none, func(t *rapid.T) []stake {
				return []stake{{"endpoint", address().Draw(t, "endpoint") + ":6443"}}
			}}) &&
			yield("Pod", maker{2, func(t *rapid.T) map[string]string {
				traits := flags("hostNetwork")(t)
				traits["node"] = rapid.SampledFrom([]string{"no0", "no1", "no9"}).Draw(t, "node")
				return traits
			}, claimsIn(1, address(), "podIP")}) &&
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

func claimsIn(most int, texts *rapid.Generator[string], fields ...string) func(*rapid.T) []stake {
	return func(t *rapid.T) []stake {
		claims := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) stake {
			return stake{rapid.SampledFrom(fields).Draw(t, "field"), texts.Draw(t, "text")}
		}), 1, most).Draw(t, "claims")
		seen := map[string]bool{}
		return slices.DeleteFunc(claims, func(c stake) bool {
			second := seen[c.field]
			seen[c.field] = true
			return second && (c.field == "clusterIP" || c.field == "loadBalancerIP") // these hold one text
		})
	}
}

func nodeClaims(t *rapid.T) []stake {
	claims := []stake{{"InternalIP", address().Draw(t, "internal")}}
	for _, more := range []stake{
		{"ExternalIP", address().Draw(t, "external")}, {"podCIDR", rapid.SampledFrom(cidrs).Draw(t, "pods")},
		{"projectcalico.org/IPv4IPIPTunnelAddr", address().Draw(t, "tunnel")}, {"projectcalico.org/IPv4Address", claims[0].text + "/29"},
	} {
		if rapid.IntRange(0, 2).Draw(t, more.field) == 2 {
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

// TestWorldsHaveFindings keeps the properties from being about nothing: the
// random worlds must make every rule on an address or object speak.
func TestWorldsHaveFindings(t *testing.T) {
	seen := map[string]int{}
	silent := func() (ids []string) {
		for _, r := range rules.All() {
			if r.ID < "WH9" && seen[r.ID] == 0 {
				ids = append(ids, r.ID)
			}
		}
		return ids
	}
	for range 10 { // the rarest speak in a few of a hundred
		rapid.Check(t, func(t *rapid.T) {
			res := randomWorld().Draw(t, "world").check(t)
			for _, f := range slices.Concat(res.Findings, res.Hidden) {
				seen[f.Rule.ID]++
			}
		})
		if len(silent()) == 0 {
			break
		}
	}
	if ids := silent(); len(ids) > 0 {
		t.Errorf("no random world makes these speak: %v", ids)
	}
	t.Log(seen)
}
