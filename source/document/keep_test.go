// SPDX-License-Identifier: Apache-2.0

package document

import (
	"strings"
	"testing"

	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
)

func TestEmbedded(t *testing.T) {
	head := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-proxy, namespace: kube-system}\ndata:\n"
	object := `ConfigMap kube-system/kube-proxy f:1 v1 { metadata: { name: "kube-proxy"@3 namespace: "kube-system"@3 }@3 data: {`
	for _, tt := range []decodeTest{
		{"literal text", head + "  config.conf: |\n\n    # a comment\n    mode: ipvs\n    secret: x\n    ipvs:\n      strictARP: true\n",
			object + ` config.conf: { mode: "ipvs"@8 ipvs: { strictARP: true@11 }@11 }@8 }@5 }@1` + "\n", "1 objects, 0 strangers, 0 bad"},
		{"several documents, merged", head + "  ClusterConfiguration: |-\n    kind: A\n    networking:\n      podSubnet: 10.0.0.0/8\n    ---\n    networking:\n      serviceSubnet: 10.1.0.0/16\n",
			object + ` ClusterConfiguration: { networking: { podSubnet: "10.0.0.0/8"@8 serviceSubnet: "10.1.0.0/16"@11 }@8 }@6 }@5 }@1` + "\n", "1 objects, 0 strangers, 0 bad"},
		{"folded text", head + "  config.conf: >\n    {mode: ipvs,\n     ipvs: {}}\n",
			object + ` config.conf: { mode: "ipvs"@5 ipvs: { }@5 }@5 }@5 }@1` + "\n", "1 objects, 0 strangers, 0 bad"},
		{"quoted text", head + "  config.conf: \"x: y\\nmode: ipvs\\n\"\n",
			object + ` config.conf: { mode: "ipvs"@5 }@5 }@5 }@1` + "\n", "1 objects, 0 strangers, 0 bad"},
		{"JSON in text", head + "  config.conf: '{\"mode\":\"ipvs\",\"x\":\"\\ud83d\\ude00\"}'\n",
			object + ` config.conf: { mode: "ipvs"@5 }@5 }@5 }@1` + "\n", "1 objects, 0 strangers, 0 bad"},
		{"not YAML", head + "  config.conf: |\n    a: b\n    c: d: e\n",
			object + ` config.conf: ""@5 }@5 }@1` + "\nf:7 partial: data[\"config.conf\"]: yaml in a string: mapping values are not allowed in this context (failed)\n", "1 objects, 0 strangers, 0 bad"},
		{"a template", head + "  config.conf: |\n    {{ if x }}\n    c: d: e\n",
			object + ` config.conf: ""@5 }@5 }@1` + "\nf:7 partial: data[\"config.conf\"]: yaml in a string: template, not rendered\n", "1 objects, 0 strangers, 0 bad"},
		{"no map", head + "  config.conf: hello\n  ClusterConfiguration: ''\n  x: 5\n",
			object + ` config.conf: ""@5 ClusterConfiguration: ""@6 x: @7 }@5 }@1` +
				"\nf:7 partial: ConfigMap kube-system/kube-proxy: data.x is a number, must be a text that holds YAML (failed)" +
				"\nf:5 partial: data[\"config.conf\"]: the text holds no map and no list (failed)\n", "1 objects, 0 strangers, 0 bad"},
		{"a map that is no text", head + "  config.conf:\n    mode: ipvs\n",
			object + ` config.conf: ""@6 }@5 }@1` + "\nf:6 partial: data[\"config.conf\"] is a map, must be a text that holds YAML (failed)\n", "1 objects, 0 strangers, 0 bad"},
		{"JSON that does not parse", head + "  config.conf: \"a: b\\nc: d: e\\n\"\n",
			object + ` config.conf: ""@5 }@5 }@1` + "\nf:5 partial: data[\"config.conf\"]: yaml in a string: line 2 of it: mapping values are not allowed in this context (failed)\n", "1 objects, 0 strangers, 0 bad"},
		{"JSON", `{"apiVersion":"v1","kind":"ConfigMap",
"metadata":{"name":"kube-proxy","namespace":"kube-system"},
"data":{
"config.conf":"a: b\nmode: ipvs\nmode: iptables\n"}}`,
			`ConfigMap kube-system/kube-proxy f:1 v1 { metadata: { name: "kube-proxy"@2 namespace: "kube-system"@2 }@2 data: { config.conf: { mode: "iptables"@4 }@4 }@3 }@1` +
				"\nf:4 partial: key \"mode\" twice, on lines 4 and 4: the last one counts (failed)\n", "1 objects, 0 strangers, 0 bad"},
	} {
		t.Run(tt.name, tt.run)
	}
}

func TestManagedFields(t *testing.T) {
	const in = `apiVersion: v1
kind: Service
metadata:
  name: a
  managedFields:
  - apiVersion: v1
    fieldsType: FieldsV1
    manager: kubectl
    operation: Apply
    time: "2026-01-02T03:04:05Z"
    fieldsV1:
      f:metadata:
        f:annotations:
          .: {}
          f:metallb.io/loadBalancerIPs: {}
          f:other: {}
        f:labels:
          f:x: {}
      f:spec:
        f:externalIPs: {}
        f:selector: {}
        f:ports:
          .: {}
          k:{"port":80,"protocol":"TCP"}:
            .: {}
            f:port: {}
  - manager: nobody
    operation: Update
    time: "2026-01-02T03:04:06Z"
    fieldsV1:
      f:metadata:
        f:annotations:
          .: {}
          f:other: {}
      f:spec:
        f:selector: {}
  - manager: controller
    operation: Update
    subresource: status
    time: "2026-01-02T03:04:07Z"
    fieldsV1:
      f:status:
        f:loadBalancer:
          f:ingress: {}
`
	want := snapshot.Value{Kind: snapshot.List, Items: []snapshot.Value{
		mapOf("manager", text("kubectl"), "operation", text("Apply"), "time", text("2026-01-02T03:04:05Z"), "fieldsV1", mapOf(
			"f:metadata", mapOf("f:annotations", mapOf("f:metallb.io/loadBalancerIPs", mapOf())),
			"f:spec", mapOf("f:externalIPs", mapOf(), "f:ports", mapOf()),
		)),
		mapOf("manager", text("controller"), "operation", text("Update"), "subresource", text("status"), "time", text("2026-01-02T03:04:07Z"),
			"fieldsV1", mapOf("f:status", mapOf("f:loadBalancer", mapOf()))),
	}}
	for name, in := range map[string]string{"yaml": in, "json": asJSON(t, in)} {
		snap, _ := decode(t, strings.NewReader(in))
		o := snap.Objects[0]
		got := o.Field("metadata", "managedFields").Value
		sortKeys(got)
		sortKeys(&want)
		if !got.Equal(&want) {
			t.Errorf("%s: %s", name, cmp.Diff(want, *got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Line" }, cmp.Ignore())))
		}
		for path, manager := range map[string]string{"spec.externalIPs": "kubectl", "spec.type": "", "status.loadBalancer.ingress": "controller"} {
			if m, _ := o.ManagerOf(strings.Split(path, ".")...); m.Name != manager {
				t.Errorf("%s: the manager of %s is %q", name, path, m.Name)
			}
		}
	}
}

// TestNobodyManages: where no entry is of a declared field, none is kept.
func TestNobodyManages(t *testing.T) {
	decodeTest{
		in:     "apiVersion: v1\nkind: Node\nmetadata:\n  name: a\n  managedFields:\n  - manager: x\n    fieldsV1: {f:spec: {f:taints: {}}}\n  - manager: y\n",
		want:   "Node a f:1 v1 { metadata: { name: \"a\"@4 }@4 }@1\n",
		result: "1 objects, 0 strangers, 0 bad",
	}.run(t)
}

func TestItemsOfLists(t *testing.T) {
	const in = `apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - args: [--v=2, --mode, ipvs, --x, --cluster-cidr=10.0.0.0/8]
    env:
    - {name: OTHER, value: secret}
    - {name: POD_CIDR, value: 10.0.0.0/24, valueFrom: x}
`
	for name, in := range map[string]string{"yaml": in, "json": asJSON(t, in)} {
		snap, _ := decode(t, strings.NewReader(in))
		c := snap.Objects[0].Root.Get("spec", "containers").Items[0]
		wantArgs := snapshot.Value{Kind: snapshot.List, Items: []snapshot.Value{text("--mode"), text("ipvs"), text("--cluster-cidr=10.0.0.0/8")}}
		if args := c.Get("args"); !args.Equal(&wantArgs) {
			t.Errorf("%s: args %v", name, args)
		}
		wantEnv := snapshot.Value{Kind: snapshot.List, Items: []snapshot.Value{mapOf("name", text("POD_CIDR"), "value", text("10.0.0.0/24"))}}
		if env := c.Get("env"); !env.Equal(&wantEnv) {
			t.Errorf("%s: env %v", name, env)
		}
	}
}

func text(s string) snapshot.Value { return snapshot.Value{Kind: snapshot.String, Text: s} }

// mapOf makes a map of keys and values in turn.
func mapOf(members ...any) snapshot.Value {
	v := snapshot.Value{Kind: snapshot.Map}
	for i := 0; i < len(members); i += 2 {
		v.Keyset, v.Items = snapshot.KeysetOf(append(v.Keys(), members[i].(string))...), append(v.Items, members[i+1].(snapshot.Value))
	}
	return v
}
