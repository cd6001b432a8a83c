// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
)

// write is one request of those that a guard is asked about: objects as an apiserver
// would send them.
type write struct {
	sort        string
	operation   string
	subresource string
	kind        string // Service or IPAddressPool
	namespace   string
	name        string
	object, old string // JSON; "" for none
	refused     bool   // what the decision must be
}

// occupied is what is known of the cluster that writes are made for.
type occupied struct {
	nodes     []string // addresses
	externals []string // of one Service each, on port 80
}

// share is how often a sort of write comes, in a hundred.
type share struct {
	of   int
	sort string
	make func(*rand.Rand, *occupied) write
}

// mixture is what a guard is asked about in a day, but that more is refused: mostly
// Services that are made with a free address or none of their own.
func mixture() []share {
	return []share{
		{40, "a Service with a free address", func(r *rand.Rand, _ *occupied) write { return created(r, free(r)) }},
		{20, "a Service with none", func(r *rand.Rand, _ *occupied) write { return created(r) }},
		{10, "an update to a free address", func(r *rand.Rand, _ *occupied) write { return updated(r, nil, []string{free(r)}) }},
		{10, "a status with a free address", func(r *rand.Rand, _ *occupied) write { return ingress(r, free(r)) }},
		{8, "a removal", func(r *rand.Rand, c *occupied) write {
			return updated(r, []string{pick(r, c.nodes), free(r)}, []string{})
		}},
		{5, "a Node's address, refused", func(r *rand.Rand, c *occupied) write { return refused(created(r, pick(r, c.nodes))) }},
		{2, "an update to a Node's address, refused", func(r *rand.Rand, c *occupied) write {
			return refused(updated(r, []string{free(r)}, []string{pick(r, c.nodes)}))
		}},
		{2, "another Service's address, refused", func(r *rand.Rand, c *occupied) write { return refused(created(r, pick(r, c.externals))) }},
		{2, "a pool of free addresses", func(r *rand.Rand, _ *occupied) write { return pooled(r, freePool(r)) }},
		{1, "a pool over Nodes, refused", func(r *rand.Rand, c *occupied) write { return refused(pooled(r, pick(r, c.nodes)+"/30")) }},
	}
}

// says is the mixture in words.
func says(shares []share) string {
	var parts []string
	for _, s := range shares {
		parts = append(parts, fmt.Sprintf("%d %% %s", s.of, s.sort))
	}
	return strings.Join(parts, ", ")
}

// writes draws n of the mixture; the same cluster gives the same writes.
func writes(c *occupied, n int) []write {
	r := rand.New(rand.NewPCG(1, 2))
	var hundred []share
	for _, s := range mixture() {
		hundred = append(hundred, slices.Repeat([]share{s}, s.of)...)
	}
	out := make([]write, n)
	for i := range out {
		s := hundred[r.IntN(len(hundred))]
		out[i] = s.make(r, c)
		out[i].sort = s.sort
	}
	return out
}

func pick(r *rand.Rand, of []string) string { return of[r.IntN(len(of))] }

// free is an address of 100.64.0.0/11, in which nobody of a generated cluster has one.
func free(r *rand.Rand) string {
	n := r.Uint32N(1 << 21)
	return netip.AddrFrom4([4]byte{100, 64 + byte(n>>16), byte(n >> 8), byte(n)}).String()
}

// freePool is a range of the other half of 100.64.0.0/10: no Service is asked for there.
func freePool(r *rand.Rand) string {
	return netip.AddrFrom4([4]byte{100, 96 + byte(r.IntN(32)), byte(r.IntN(256)), 0}).String() + "/24"
}

func refused(w write) write {
	w.refused = true
	return w
}

func created(r *rand.Rand, external ...string) write {
	name := fmt.Sprintf("made-%d", r.Uint32())
	return write{operation: "CREATE", kind: "Service", namespace: "tools", name: name, object: service(name, "ClusterIP", external, "")}
}

func updated(r *rand.Rand, before, after []string) write {
	w := created(r, after...)
	w.operation, w.old = "UPDATE", service(w.name, "ClusterIP", before, "")
	return w
}

func ingress(r *rand.Rand, address string) write {
	w := created(r)
	w.operation, w.subresource = "UPDATE", "status"
	w.object, w.old = service(w.name, "LoadBalancer", nil, address), service(w.name, "LoadBalancer", nil, "")
	return w
}

func pooled(r *rand.Rand, within string) write {
	name := fmt.Sprintf("pool-%d", r.Uint32())
	return write{operation: "CREATE", kind: "IPAddressPool", namespace: "metallb-system", name: name,
		object: fmt.Sprintf(`{"apiVersion":"metallb.io/v1beta1","kind":"IPAddressPool","metadata":{"name":%q,"namespace":"metallb-system","uid":"8f1f7d0e-6a70-4c6e-8e8b-1f7f4a2b6c11","creationTimestamp":"2026-01-05T06:00:00Z"},"spec":{"addresses":[%q],"autoAssign":true,"avoidBuggyIPs":false}}`, name, within)}
}

// service is one as an apiserver sends it, managedFields and all.
func service(name, shape string, external []string, ingress string) string {
	extra, status := "", `{"loadBalancer":{}}`
	if len(external) > 0 {
		extra = `"externalIPs":["` + strings.Join(external, `","`) + `"],`
	}
	if ingress != "" {
		status = `{"loadBalancer":{"ingress":[{"ip":"` + ingress + `","ipMode":"VIP"}]}}`
	}
	return `{"kind":"Service","apiVersion":"v1","metadata":{"name":"` + name + `","namespace":"tools","uid":"2b9d7a0e-5a0f-4a53-9f0c-57f4f5a3d2b1","creationTimestamp":"2026-01-05T06:00:00Z",
"labels":{"app.kubernetes.io/instance":"` + name + `","app.kubernetes.io/managed-by":"Helm","app.kubernetes.io/name":"` + name + `"},
"annotations":{"meta.helm.sh/release-name":"` + name + `","meta.helm.sh/release-namespace":"tools"},
"managedFields":[{"manager":"helm","operation":"Update","apiVersion":"v1","time":"2026-01-05T06:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{".":{},"f:meta.helm.sh/release-name":{},"f:meta.helm.sh/release-namespace":{}},"f:labels":{".":{},"f:app.kubernetes.io/instance":{},"f:app.kubernetes.io/managed-by":{},"f:app.kubernetes.io/name":{}}},"f:spec":{"f:externalIPs":{},"f:internalTrafficPolicy":{},"f:ports":{".":{},"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:port":{},"f:protocol":{},"f:targetPort":{}}},"f:selector":{},"f:sessionAffinity":{},"f:type":{}}}}]},
"spec":{` + extra + `"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080}],"selector":{"app.kubernetes.io/name":"` + name + `"},"clusterIP":"172.21.200.9","clusterIPs":["172.21.200.9"],"type":"` + shape + `","sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"},
"status":` + status + `}`
}

// review is the question that an apiserver asks about a write.
func (w write) review(uid string) []byte {
	group, version, resource := "", "v1", "services"
	if w.kind == "IPAddressPool" {
		group, version, resource = "metallb.io", "v1beta1", "ipaddresspools"
	}
	kind := map[string]string{"group": group, "version": version, "kind": w.kind}
	at := map[string]string{"group": group, "version": version, "resource": resource}
	request := map[string]any{
		"uid": uid, "kind": kind, "resource": at, "requestKind": kind, "requestResource": at, "name": w.name, "namespace": w.namespace,
		"operation": w.operation, "userInfo": map[string]any{"username": "system:serviceaccount:ci:deployer", "groups": []string{"system:serviceaccounts", "system:authenticated"}},
		"object": raw(w.object), "oldObject": raw(w.old), "dryRun": false,
		"options": map[string]string{"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
	}
	if w.subresource != "" {
		request["subResource"], request["requestSubResource"] = w.subresource, w.subresource
	}
	text, err := json.Marshal(map[string]any{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request})
	if err != nil {
		panic(err) // of what this file has written itself
	}
	return text
}

func raw(text string) json.RawMessage {
	if text == "" {
		return json.RawMessage("null")
	}
	return json.RawMessage(text)
}
