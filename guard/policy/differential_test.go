// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"whohas/check"
	"whohas/claim"
	"whohas/claimants"
	"whohas/dataplane"
	"whohas/guard"
	"whohas/guard/policy"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/document"
	"whohas/testkit/scenario"
)

// enforced are the rules that the policy claims to enforce, beside WH208.
var enforced = []*rule.Rule{
	rules.ExternalIPIsNode, rules.LBIPIsNode, rules.LBRequestIsNode,
	rules.ClaimsControlPlane, rules.ClaimsTunnelAddress, rules.ClaimsReserved,
}

// TestDifferential: on random clusters and random writes the policy's verdict, of the
// real plugin, is the engine's, in every form. WHOHAS_DIFF_OBJECTS says how many
// writes, WHOHAS_DIFF_SEED with which seed: make check has always the same one, so that it
// says the same of the same code; make nightly looks for what nobody has seen.
func TestDifferential(t *testing.T) {
	objects, seed := setting(t, "WHOHAS_DIFF_OBJECTS", 5000), setting(t, "WHOHAS_DIFF_SEED", 1)
	t.Logf("seed %d", seed)
	const perWorld = 100
	count := map[string]int{}
	for i := 0; i < objects/perWorld && !t.Failed(); i++ {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			d := draw{rand.New(rand.NewPCG(uint64(seed), uint64(i)))}
			w, alone := d.worlds(t)
			form := forms[i%len(forms)]
			s := served(t, strict(w.policy(t, policy.Options{Form: form})), w.objects()...)
			for range perWorld {
				before, after, rescue := d.write()
				d.compare(t, s, w, alone, form, before, after, rescue, count)
			}
		})
	}
	t.Logf("%d writes: %v", objects/perWorld*perWorld, count)
	if objects >= 1000 {
		for _, want := range []string{"refused", "admitted", "refused by WH101", "refused by WH102", "refused by WH103", "refused by WH106", "refused by WH107", "refused by WH108", "refused by WH208"} {
			if count[want] < objects/500 {
				t.Errorf("only %d writes were %s: the comparison says little", count[want], want)
			}
		}
	}
}

func setting(t *testing.T, name string, unset int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return unset
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// compare asks both. The policy sees one Service and the owned addresses: its verdict
// is the engine's on a world without other Services. On the whole world the engine may
// refuse more, and never less.
func (d draw) compare(t *testing.T, s *apiserver, w, alone world, form policy.Form, before, after tree, rescue bool, count map[string]int) {
	t.Helper()
	who := anybody
	if rescue {
		who = rescuer
	}
	b, a := marshal(before), marshal(after)
	var err error
	if before == nil {
		err = s.write(context.Background(), nil, service(t, a), who)
	} else {
		err = s.write(context.Background(), service(t, b), service(t, a), who)
	}
	message := refusedFor(t, err)
	want, why := verdict(t, alone, before, after, rescue)
	if (message != "") != want {
		t.Errorf("form %s, policy: %q\nengine: %v %v\nbefore %s\nafter  %s\nworld: %s", form, message, want, why, b, a, describe(alone))
		return
	}
	full, _ := verdict(t, w, before, after, rescue)
	switch {
	case message != "" && !full && w.shared(t, before, after):
		count["old together with another Service"]++
	case message != "" && !full && strings.Contains(message, rules.ClaimsReserved.ID) && w.servedByAnother(t, after):
		count["another Service is the storage server"]++
	case message != "" && !full:
		t.Errorf("form %s: refused by the policy (%s), admitted by the engine on the whole world\nbefore %s\nafter  %s\nworld: %s", form, message, b, a, describe(w))
	case full && message == "":
		count["left to the webhook"]++
	}
	if message == "" {
		count["admitted"]++
		return
	}
	count["refused"]++
	for _, r := range append(slices.Clone(enforced), rules.NonCanonicalAddress) {
		if strings.Contains(message, r.ID+" "+r.Name) {
			count["refused by "+r.ID]++
			// The engine names the cause alone, the policy whatever it meets first.
			symptom := slices.ContainsFunc(r.After, func(cause *rule.Rule) bool { return slices.Contains(why, cause.ID) })
			if !slices.Contains(why, r.ID) && !symptom {
				t.Errorf("form %s: policy says %s, engine %v\nbefore %s\nafter  %s\nworld: %s", form, message, why, b, a, describe(alone))
			}
		}
	}
}

// shared reports whether what the request brings was said before of its Service, or of
// its Gateway, together with another Service that the policy does not see: that one has
// the conflict already, or makes it graver than the Service's own part was.
func (w world) shared(t *testing.T, before, after tree) bool {
	snap := w.snapshot
	if was := readObject(t, before); was != nil {
		snap = snapshot.Over(snap, &snapshot.Snapshot{Objects: []*snapshot.Object{was}})
	}
	res := check.Run(w.input(snap, enforced))
	is := claimants.Claims(readObject(t, after))
	return slices.ContainsFunc(slices.Concat(res.Findings, res.Hidden), func(f rule.Finding) bool {
		own := slices.ContainsFunc(f.Intruders(), func(c rule.Claimant) bool { return claim.SameOwner(c.Claim, is[0]) })
		others := slices.ContainsFunc(f.Intruders(), func(c rule.Claimant) bool { return c.By != is[0].By })
		return own && others && f.Severity >= rule.Error
	})
}

// servedByAnother reports whether another Service at one of the addresses passes for the
// storage server that the address is reserved for: WH108 says nothing of any then.
func (w world) servedByAnother(t *testing.T, after tree) bool {
	for _, own := range claimants.Claims(readObject(t, after)) {
		for c := range w.view().Overlapping(own.Range) {
			if c.Role&(claim.VIP|claim.Request) != 0 && c.By != own.By && slices.ContainsFunc(c.Ports, func(p snapshot.Port) bool { return p.Number == 2049 }) {
				return true
			}
		}
	}
	return false
}

// verdict is the engine's: what guard.Decide refuses by the rules, and of WH208 any
// finding, of whatever severity, about a text that the Service did not claim before:
// what is not written in its usual form the policy cannot look up.
func verdict(t *testing.T, w world, before, after tree, rescue bool) (refused bool, why []string) {
	t.Helper()
	was, is := readObject(t, before), readObject(t, after)
	state := guard.State{Input: w.input(w.snapshot, enforced)}
	d := guard.Decide(state, guard.Request{Operation: operation(before), Before: was, After: is, MayOverride: rescue, Now: today})
	for _, f := range d.Refusals {
		why = append(why, f.Rule.ID)
	}
	if w.newForm(was, is) && !(rescue && excused(is)) {
		why = append(why, rules.NonCanonicalAddress.ID)
	}
	slices.Sort(why)
	return len(why) > 0, slices.Compact(why)
}

var today = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func operation(before tree) guard.Operation {
	if before == nil {
		return guard.Create
	}
	return guard.Update
}

// newForm asks WH208 about the Service as it will be.
func (w world) newForm(was, is *snapshot.Object) bool {
	var texts []string
	if was != nil {
		for _, c := range claimants.Claims(was) {
			if c.Role&(claim.VIP|claim.Request) != 0 {
				texts = append(texts, c.Text)
			}
		}
	}
	snap := snapshot.Over(w.snapshot, &snapshot.Snapshot{Objects: []*snapshot.Object{is}})
	res := check.Run(w.input(snap, []*rule.Rule{rules.NonCanonicalAddress}))
	return slices.ContainsFunc(slices.Concat(res.Findings, res.Hidden), func(f rule.Finding) bool {
		return f.Claimants[0].By == is.Ref && !slices.Contains(texts, f.Claimants[0].Text)
	})
}

// excused reports whether a Service's annotation speaks of WH208.
func excused(o *snapshot.Object) bool {
	return slices.ContainsFunc(check.SuppressionsOf(o), func(a rule.Suppression) bool {
		return a.Fault(today) == "" && a.Matches(&rule.Finding{Rule: rules.NonCanonicalAddress})
	})
}

func (w world) input(snap *snapshot.Snapshot, list []*rule.Rule) check.Input {
	return check.Input{View: claimants.View(snap, w.reserved...), Facts: w.facts, Objects: snap, Rules: list}
}

// declared are the fields that are kept of objects.
var declared = sync.OnceValues(scenario.Reads)

// readObject reads a Service as check would; nil stays nil.
func readObject(t *testing.T, o tree) *snapshot.Object {
	t.Helper()
	if o == nil {
		return nil
	}
	keep, err := declared()
	if err != nil {
		t.Fatal(err)
	}
	sent, err := json.Marshal(service(t, marshal(o))) // as an apiserver writes it: no empty maps
	if err != nil {
		t.Fatal(err)
	}
	into := &snapshot.Builder{}
	if _, err := (document.Reading{Reads: keep, Into: into, File: "write.json"}).Decode(context.Background(), bytes.NewReader(sent)); err != nil {
		t.Fatal(err)
	}
	return into.Snapshot().Objects[0]
}

func describe(w world) string {
	var b strings.Builder
	fmt.Fprintf(&b, "mode %s, single %v, gate off %v, ServiceLB %v, BGP %v\n", w.facts.Mode, w.facts.SingleNode(), w.facts.ExternalIPsOff, w.facts.ServiceLB, w.facts.CNI.BGP)
	for c := range w.view().In(claim.Host | claim.ControlPlane | claim.Tunnel | claim.Reserved) {
		fmt.Fprintf(&b, "  %s %s ports %v by %s for %s (%s)\n", c.Range, c.Role, c.Ports, c.By, c.Owner, c.Kind)
	}
	return b.String()
}

type tree = map[string]any

func marshal(o tree) string {
	if o == nil {
		return ""
	}
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// draw makes random clusters and Services. Addresses come from a universe so small
// that they meet.
type draw struct{ *rand.Rand }

func (d draw) one(list ...string) string { return list[d.IntN(len(list))] }
func (d draw) chance(n int) bool         { return d.IntN(n) == 0 }

func (d draw) address() string {
	if d.chance(5) {
		return "fd00::" + strconv.Itoa(1+d.IntN(4))
	}
	return "10.0.0." + strconv.Itoa(1+d.IntN(12))
}

// written is an address as somebody might write it.
func (d draw) written() string {
	ip := d.address()
	if !d.chance(12) {
		return ip
	}
	if strings.Contains(ip, ":") {
		return d.one(strings.ToUpper(ip), strings.Replace(ip, "::", ":0:0:0::", 1), ip+"%eth0")
	}
	return d.one("::ffff:"+ip, "0:0:0:0:0:FFFF:"+ip, strings.Replace(ip, ".0.", ".00.", 1), "0"+ip, ip+"/32", "a.example", "${VIP}", "10.0.0.300", " "+ip)
}

// worlds draws a cluster, and the same without other Services.
func (d draw) worlds(t *testing.T) (whole, alone world) {
	mode := []dataplane.ProxyMode{dataplane.IPVS, dataplane.IPVS, dataplane.IPTables, dataplane.NFTables, dataplane.EBPF}[d.IntN(5)]
	var nodes []string
	for i := range 1 + d.IntN(3) {
		annotations := map[string]string{}
		if d.chance(2) {
			annotations["projectcalico.org/IPv4IPIPTunnelAddr"] = d.address()
		}
		if d.chance(3) {
			annotations["projectcalico.org/IPv4Address"] = d.address() + "/24"
		}
		if d.chance(4) {
			annotations["flannel.alpha.coreos.com/public-ip"] = d.address()
		}
		addresses := []string{"InternalIP=" + d.address(), "Hostname=n" + strconv.Itoa(i)}
		if d.chance(3) {
			addresses = append(addresses, d.one("ExternalIP=", "InternalIP=")+d.address())
		}
		n := node("n"+strconv.Itoa(i), annotations, d.chance(3), addresses...)
		if len(nodes) == 0 && d.chance(4) {
			n = strings.Replace(n, `"labels":{`, `"labels":{"node.kubernetes.io/instance-type":"k3s",`, 1)
			n = strings.Replace(n, `"k3s",}`, `"k3s"}`, 1)
		}
		nodes = append(nodes, n)
	}
	settings := fmt.Sprintf("complete: %v\n", d.chance(2))
	for range d.IntN(3) {
		settings += "reserved: " + d.one(d.address(), "10.0.0.8/30", "10.0.0.5-10.0.0.7") + " " + d.one("gateway", "dns", "ntp", "storage") + "\n"
	}
	manifests := d.cluster()
	alone = readWorld(t, mode, settings, nodes, manifests...)
	for i := range d.IntN(3) {
		o := d.service()
		o["metadata"].(tree)["name"] = "other" + strconv.Itoa(i)
		manifests = append(manifests, marshal(o))
	}
	return readWorld(t, mode, settings, nodes, manifests...), alone
}

// cluster draws what else owns addresses.
func (d draw) cluster() []string {
	var out []string
	may := func(format string, args ...any) {
		if d.chance(2) {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	may("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: %q", bracketed(d.address())+d.one(":6443", ":8443"))
	may(`{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"kubernetes","namespace":"default","labels":{"kubernetes.io/service-name":"kubernetes"}},`+
		`"addressType":"IPv4","endpoints":[{"addresses":[%q]}],"ports":[{"port":6443,"protocol":"TCP"}]}`, "10.0.0."+strconv.Itoa(1+d.IntN(12)))
	may("apiVersion: metallb.io/v1beta2\nkind: BGPPeer\nmetadata: {name: p, namespace: metallb-system}\nspec: {peerAddress: %q}", d.address())
	may("apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: pv}\nspec: {nfs: {server: %q, path: /}}", d.address())
	may("apiVersion: cilium.io/v2\nkind: CiliumNode\nmetadata: {name: n0}\nspec: {addresses: [{type: InternalIP, ip: %q}, {type: CiliumInternalIP, ip: %q}]}", d.address(), d.address())
	may("apiVersion: v1\nkind: Pod\nmetadata: {name: h, namespace: kube-system}\nspec: {nodeName: %s, hostNetwork: true}\nstatus: {phase: Running, podIPs: [{ip: %q}]}", d.one("n0", "n1"), d.address())
	may("apiVersion: crd.projectcalico.org/v1\nkind: IPPool\nmetadata: {name: pool}\nspec: {cidr: 10.244.0.0/16, ipipMode: Always}")
	if d.chance(5) {
		out = append(out, "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nfeatureGates: {AllowServiceExternalIPs: false}")
	}
	return out
}

func bracketed(ip string) string {
	if strings.Contains(ip, ":") {
		return "[" + ip + "]"
	}
	return ip
}

func (d draw) ports() []any {
	out := []any{}
	for range d.IntN(3) {
		p := tree{"port": []int{22, 53, 80, 2049, 2379, 6443, 8443, 179}[d.IntN(8)], "name": "p" + strconv.Itoa(len(out))}
		if d.chance(2) {
			p["protocol"] = d.one("TCP", "TCP", "UDP")
		}
		out = append(out, p)
	}
	return out
}

func (d draw) list() []any {
	out := []any{}
	for range d.IntN(3) {
		out = append(out, d.written())
	}
	return out
}

func (d draw) commas() string {
	var out []string
	for _, x := range d.list() {
		out = append(out, x.(string))
	}
	return strings.Join(out, d.one(",", ", "))
}

func (d draw) ingress() []any {
	out := []any{}
	for range d.IntN(3) {
		i := tree{"ip": d.written()}
		if d.chance(3) {
			i["ipMode"] = d.one("VIP", "Proxy")
		}
		if d.chance(8) {
			i = tree{"hostname": "lb.example.org"}
		}
		out = append(out, i)
	}
	return out
}

// aspects are the ways in which a Service can be drawn or changed.
var aspects = []func(draw, tree){
	func(d draw, o tree) {
		o["spec"].(tree)["type"] = d.one("ClusterIP", "LoadBalancer", "LoadBalancer", "ExternalName", "NodePort")
	},
	func(d draw, o tree) {
		o["spec"].(tree)["clusterIP"] = d.one("None", "10.96.0.7", "10.96.0.7", "10.96.0.7")
	},
	func(d draw, o tree) { o["spec"].(tree)["ports"] = d.ports() },
	func(d draw, o tree) { o["spec"].(tree)["ports"] = d.ports() },
	func(d draw, o tree) { o["spec"].(tree)["externalIPs"] = d.list() },
	func(d draw, o tree) { o["spec"].(tree)["externalIPs"] = d.list() },
	func(d draw, o tree) { o["spec"].(tree)["loadBalancerIP"] = d.one("", d.written()) },
	func(d draw, o tree) {
		o["spec"].(tree)["loadBalancerClass"] = d.one("", "io.cilium/node", "io.cattle.serviceLB", "x.example/y")
	},
	func(d draw, o tree) { o["status"] = tree{"loadBalancer": tree{"ingress": d.ingress()}} },
	func(d draw, o tree) { o["status"] = tree{"loadBalancer": tree{"ingress": d.ingress()}} },
	func(d draw, o tree) {
		key := d.one("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs", "lbipam.cilium.io/ips", "io.cilium/lb-ipam-ips", "purelb.io/addresses", "kube-vip.io/loadbalancerIPs", "kube-vip.io/requestedIP")
		d.annotate(o, key, d.commas())
	},
	func(d draw, o tree) {
		text, _ := json.Marshal(d.list())
		d.annotate(o, "projectcalico.org/loadBalancerIPs", d.one(string(text), string(text), "null", d.written()))
	},
	func(d draw, o tree) {
		d.annotate(o, d.one("eip.openelb.kubesphere.io/v1alpha1"), d.written())
		d.annotate(o, "lb.kubesphere.io/v1alpha1", d.one("openelb", ""))
	},
	func(d draw, o tree) { d.annotate(o, "node-proxy.openelb.kubesphere.io/type", "deployment") },
	func(d draw, o tree) {
		d.annotate(o, d.one("metallb.io/ip-allocated-from-pool", "metallb.io/allow-shared-ip"), "pool")
	},
	func(d draw, o tree) {
		d.annotate(o, check.AllowAnnotation, d.one("WH101 reason=a lab", "WH102 reason=a; lb-request-is-node until=2026-12-31 reason=b", "WH101", "WH106 reason=x\nWH208 reason=y", "rule=WH108, reason=ours"))
	},
	func(d draw, o tree) { label(o, "service.kubernetes.io/service-proxy-name", d.one("", "other")) },
	func(d draw, o tree) { label(o, "gateway.networking.k8s.io/gateway-name", d.one("", "gw")) },
	func(d draw, o tree) { label(o, "app", d.one("a", "b")) },
	func(d draw, o tree) {
		delete(o["metadata"].(tree), "annotations")
	},
	func(d draw, o tree) { delete(o["spec"].(tree), "externalIPs") },
	func(d draw, o tree) { delete(o, "status") },
}

// annotate sets an annotation, or takes it away.
func (d draw) annotate(o tree, key, value string) {
	meta := o["metadata"].(tree)
	if meta["annotations"] == nil {
		meta["annotations"] = tree{}
	}
	if d.chance(4) {
		delete(meta["annotations"].(tree), key)
	} else {
		meta["annotations"].(tree)[key] = value
	}
}

func label(o tree, key, value string) {
	meta := o["metadata"].(tree)
	if meta["labels"] == nil {
		meta["labels"] = tree{}
	}
	meta["labels"].(tree)[key] = value
}

func (d draw) service() tree {
	o := tree{"apiVersion": "v1", "kind": "Service", "metadata": tree{"name": "web", "namespace": "demo"}, "spec": tree{"type": d.one("ClusterIP", "LoadBalancer")}}
	for range 3 + d.IntN(8) {
		aspects[d.IntN(len(aspects))](d, o)
	}
	return o
}

// write draws a request: a creation, a change of some aspects, or another object in
// the place of one.
func (d draw) write() (before, after tree, rescue bool) {
	after = d.service()
	switch {
	case d.chance(4):
	case d.chance(4):
		before = d.service()
	default:
		before = after
		var copied tree
		if err := json.Unmarshal([]byte(marshal(after)), &copied); err != nil {
			panic(err)
		}
		after = copied
		for range 1 + d.IntN(2) {
			aspects[d.IntN(len(aspects))](d, after)
		}
	}
	return before, after, d.chance(3)
}
