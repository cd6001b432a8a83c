// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/snapshot"
)

// text, fields and list make trees by hand; fields takes keys and values in turn.
func text(s string) snapshot.Value { return snapshot.Value{Kind: snapshot.String, Text: s} }

func list(items ...snapshot.Value) snapshot.Value {
	return snapshot.Value{Kind: snapshot.List, Items: items}
}

func texts(items ...string) snapshot.Value {
	v := list()
	for _, s := range items {
		v.Items = append(v.Items, text(s))
	}
	return v
}

func fields(pairs ...any) snapshot.Value {
	v := snapshot.Value{Kind: snapshot.Map}
	for i := 0; i < len(pairs); i += 2 {
		v.Keyset = snapshot.KeysetOf(append(v.Keys(), pairs[i].(string))...)
		switch x := pairs[i+1].(type) {
		case string:
			v.Items = append(v.Items, text(x))
		case snapshot.Value:
			v.Items = append(v.Items, x)
		}
	}
	return v
}

// kept tells how much stays of what the keys, parted by spaces, lead to.
func kept(f *snapshot.Fields, down func(*snapshot.Fields, string) *snapshot.Fields, keys string) string {
	for _, k := range strings.Fields(keys) {
		f = down(f, k)
	}
	switch {
	case f == nil:
		return "nothing"
	case f.YAML():
		return "yaml"
	case f.Whole():
		return "whole"
	default:
		return "part"
	}
}

func parseFields(t *testing.T, paths string) *snapshot.Fields {
	t.Helper()
	f, err := snapshot.ParseFields(strings.Fields(paths)...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFields(t *testing.T) {
	for _, tt := range []struct {
		paths string // parted by spaces
		want  map[string]string
	}{
		{"", map[string]string{"": "part", "spec": "nothing"}},
		{"spec.externalIPs[] spec.ports[].port<int>", map[string]string{
			"": "part", "spec": "part", "spec externalIPs": "whole", "spec externalIPs deeper": "whole", "spec ports": "part",
			"spec ports port": "whole", "spec ports name": "nothing", "spec type": "nothing", "specs": "nothing", "metadata": "nothing",
		}},
		// A path that ends keeps the subtree, whatever longer paths there are.
		{"spec.ports[]<any> spec.ports[]<any>.port", map[string]string{"spec ports": "whole", "spec ports name": "whole"}},
		{"spec.ports[]<any>.port spec.ports[]<any>", map[string]string{"spec ports": "whole", "spec ports name": "whole"}},
		{"data.cidr-* data.range-global", map[string]string{
			"data cidr-demo": "whole", "data cidr-": "whole", "data cidr": "nothing", "data range-global": "whole", "data range-demo": "nothing",
		}},
		{"status.used.*", map[string]string{"status used": "part", "status used any": "whole", "status": "part"}},
		{"spec.a*.b spec.abc.d", map[string]string{"spec ax b": "whole", "spec ax d": "nothing", "spec abc d": "whole"}},
		{`data."config.conf"<yaml>.ipvs.excludeCIDRs data."config.conf"<yaml>.mode`, map[string]string{
			"data config.conf": "yaml", "data config.conf mode": "whole", "data config.conf ipvs": "part",
			"data config.conf ipvs excludeCIDRs": "whole", "data config.conf clientConnection": "nothing", "data config": "nothing",
		}},
		{"data.kubeconfig<yaml>", map[string]string{"data kubeconfig": "yaml", "data kubeconfig users": "nothing"}},
		{"metadata.annotations.metallb.io/loadBalancerIPs metadata.labels.kubernetes.io/service-name", map[string]string{
			"metadata annotations metallb.io/loadBalancerIPs": "whole", "metadata annotations metallb": "nothing",
			"metadata labels kubernetes.io/service-name": "whole", "metadata labels": "part", "metadata name": "nothing",
		}},
		{"metadata.annotations.kube-vip.io/* spec.template.metadata.labels.app.kubernetes.io/name", map[string]string{
			"metadata annotations kube-vip.io/ignore": "whole", "metadata annotations other": "nothing",
			"spec template metadata labels app.kubernetes.io/name": "whole",
		}},
		{"spec.conditions[type=Ready|Programmed].status", map[string]string{
			"spec conditions": "part", "spec conditions status": "whole", "spec conditions type": "whole", "spec conditions reason": "nothing",
		}},
		{"spec.env[name=address]", map[string]string{"spec env": "whole", "spec env name": "whole", "spec env value deeper": "whole"}},
	} {
		f := parseFields(t, tt.paths)
		for keys, want := range tt.want {
			if got := kept(f, (*snapshot.Fields).Child, keys); got != want {
				t.Errorf("%s: of %q %s is kept, want %s", tt.paths, keys, got, want)
			}
		}
	}
	if got := kept(nil, (*snapshot.Fields).Child, "spec"); got != "nothing" {
		t.Errorf("no fields: of spec %s is kept", got)
	}
}

func TestKeepItems(t *testing.T) {
	envs := list(fields("name", "address", "value", "192.0.2.1"), fields("name", "token", "value", "x"), fields("name", "vip", "value", "192.0.2.2"), text("stray"))
	args := texts("--mode", "ipvs", "--token", "x", "--mode=ipvs", "run", "--advertise=192.0.2.1", "--mode", "--mode", "y", "z")
	for _, tt := range []struct {
		paths, keys string
		items       snapshot.Value
		want        []int
	}{
		// Of an item of another sort is kept that it is there, and nothing of it.
		{"env[name=address|vip]", "env", envs, []int{0, 2, 3}},
		{"env[name=address].value env[name=vip].value", "env", envs, []int{0, 2, 3}},
		{"env[name=other]", "env", envs, []int{3}},
		{"env[].name", "env", envs, []int{0, 1, 2, 3}},
		{"args[^--mode]", "args", args, []int{0, 1, 4, 7, 8, 9}},
		{"args[^--mode|--advertise]", "args", args, []int{0, 1, 4, 6, 7, 8, 9}},
		{"args[^--mode] args[^--advertise]", "args", args, []int{0, 1, 4, 6, 7, 8, 9}},
		{"args[^ru]", "args", args, []int{5}},
		{"args[^--mode]", "args", envs, []int{0, 1, 2}},
		// A bracket holds at its own level only.
		{"env[name=address]", "env other", args, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{"args[]", "args", args, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
	} {
		f := parseFields(t, tt.paths)
		for _, k := range strings.Fields(tt.keys) {
			f = f.Child(k)
		}
		var want []snapshot.Value
		for _, i := range tt.want {
			item := tt.items.Items[i]
			if item.Kind == snapshot.Map != strings.HasPrefix(tt.paths, "env[name=") && strings.Contains(tt.paths, "[^") || item.Text == "stray" && tt.paths != "env[].name" {
				item = snapshot.Value{Kind: item.Kind}
			}
			want = append(want, item)
		}
		got := f.KeepItems(slices.Clone(tt.items.Items))
		if len(got) != len(want) || len(want) > 0 && cmp.Diff(want, got) != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.paths, cmp.Diff(want, got))
		}
	}
}

func TestManaged(t *testing.T) {
	kind := snapshot.Kind{Kind: "Thing"}
	reads, err := snapshot.NewReads(snapshot.Read{
		Kind:   kind,
		Fields: []string{"spec.type"}, // kept, but nobody asks who wrote it
		Traced: []string{"spec.externalIPs", "spec.ports.port", "status.used.*", "metadata.annotations.metallb.io/ip"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, f, _ := reads.Kind("", "Thing")
	for keys, want := range map[string]string{
		"f:spec": "part", "f:spec f:externalIPs": "whole", "f:spec f:type": "nothing", "f:spec externalIPs": "nothing", "spec": "nothing",
		"f:spec f:externalIPs f:x": "nothing", "f:spec f:ports .": "nothing", `f:spec f:ports k:{"port":80}`: "nothing",
		"f:status f:used f:192.0.2.1": "whole", "f:metadata f:annotations f:metallb.io/ip": "whole", "f:metadata f:annotations f:other": "nothing",
	} {
		if got := kept(f, (*snapshot.Fields).Managed, keys); got != want {
			t.Errorf("of managed %q %s is kept, want %s", keys, got, want)
		}
	}
}

func TestParseFieldsErrors(t *testing.T) {
	for _, tt := range []struct {
		paths []string
		want  string
	}{
		{[]string{""}, `field path "": empty key`},
		{[]string{"spec."}, `field path "spec.": empty key`},
		{[]string{"spec..x"}, `field path "spec..x": empty key`},
		{[]string{".spec"}, `field path ".spec": empty key`},
		{[]string{`spec.""`}, `field path "spec.\"\"": empty key`},
		{[]string{"metadata.annotations."}, `field path "metadata.annotations.": empty key`},
		{[]string{"ok", `data."config.conf`}, `field path "data.\"config.conf": quote is not closed`},
		{[]string{`data."a"b`}, `field path "data.\"a\"b": unexpected "b"`},
		{[]string{"data.a<json>"}, `field path "data.a<json>": unexpected "<json>"`},
		{[]string{"env[name=a"}, `field path "env[name=a": bracket is not closed`},
		{[]string{"env[name=a]x"}, `field path "env[name=a]x": unexpected "x"`},
		{[]string{"env[name=a]<yaml>"}, `field path "env[name=a]<yaml>": unexpected "<yaml>"`},
		{[]string{"env[name]"}, `field path "env[name]": bracket "name" is neither k=v nor ^prefix`},
		{[]string{"env[]]"}, `field path "env[]]": unexpected "]"`},
		{[]string{"a.b<int>x"}, `field path "a.b<int>x": unexpected "x"`},
		{[]string{"a.b", "a.b<int>"}, `field path "a.b<int>": "b" is declared with another type elsewhere`},
		{[]string{"a.b.c", "a.b"}, `field path "a.b": "b" is declared with another type elsewhere`},
		{[]string{"a.b", "a.b[]"}, `field path "a.b[]": "b" is declared with another bracket, or with none, elsewhere`},
		{[]string{"env[=a]"}, `field path "env[=a]": bracket "=a" is neither k=v nor ^prefix`},
		{[]string{"args[^]"}, `field path "args[^]": bracket "^" has an empty prefix`},
		{[]string{"args[^--a|]"}, `field path "args[^--a|]": bracket "^--a|" has an empty prefix`},
		// What one keeps the other would lose.
		{[]string{"x.env[name=a]", "x.env"}, `field path "x.env": "env" is declared with another bracket, or with none, elsewhere`},
		{[]string{"x.env.value", "x.env[name=a]"}, `field path "x.env[name=a]": "env" is declared with another bracket, or with none, elsewhere`},
		{[]string{"x.env[name=a]", "x.env[type=b]"}, `field path "x.env[type=b]": "env" is declared with another bracket, or with none, elsewhere`},
		{[]string{"x.env[name=a]", "x.env[^b]"}, `field path "x.env[^b]": "env" is declared with another bracket, or with none, elsewhere`},
		{[]string{"x.env[name=a]", "x.env[name=a].name[^b]"}, `field path "x.env[name=a].name[^b]": "name" is declared with another bracket, or with none, elsewhere`},
	} {
		if f, err := snapshot.ParseFields(tt.paths...); err == nil || err.Error() != tt.want || f != nil {
			t.Errorf("ParseFields(%q): error %v, want %s", tt.paths, err, tt.want)
		}
	}
}

func FuzzParseFields(f *testing.F) {
	for _, s := range []string{
		"spec.ports[].port<int>", `data."config.conf"<yaml>.ipvs.x<any>`, "data.cidr-*", "a[k=a|b].c", "a[^--p|q]", "metadata.annotations.a.b/c*",
		"", ".", "*", `"`, "a[", "a<yaml>[^x].y", "a[k=v].k[^p]",
	} {
		f.Add(s, "a.b")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		both, err := snapshot.ParseFields(a, b)
		if _, back := snapshot.ParseFields(b, a); (err == nil) != (back == nil) {
			t.Fatalf("%q and %q: error %v, the other way %v", a, b, err, back)
		}
		if err != nil {
			return
		}
		if _, err := snapshot.ParseFields(a, b, a, b); err != nil {
			t.Fatalf("%q and %q, twice: %v", a, b, err)
		}
		if both.Whole() || both.YAML() {
			t.Fatalf("%q and %q keep every object whole", a, b)
		}
		for _, k := range strings.FieldsFunc(a+"."+b, func(r rune) bool { return strings.ContainsRune(`.[]<>"*`, r) }) {
			both.Managed("f:" + k).KeepItems(texts(k, "", a).Items)
			both.Child(k).Child(k).KeepItems(list(fields(k, a), text(k)).Items)
		}
	})
}

func TestReads(t *testing.T) {
	service := snapshot.Kind{Kind: "Service", Resource: "services", Namespaced: true}
	config := snapshot.Kind{Kind: "ConfigMap", Resource: "configmaps", Namespaced: true}
	node := snapshot.Kind{Kind: "Node", Resource: "nodes"}
	ingress := snapshot.Kind{Group: "networking.k8s.io", Kind: "Ingress", Resource: "ingresses", Namespaced: true}
	reads, err := snapshot.NewReads(
		snapshot.Read{Kind: service, Fields: []string{"spec.externalIPs"}},
		snapshot.Read{Kind: config, Names: []string{"kube-system/kube-proxy", "kube-system/kubevip"}, Fields: []string{"data.a"}},
		snapshot.Read{Kind: config, Names: []string{"kube-public/cluster-info", "kube-system/kubevip"}, Fields: []string{"data.b"}},
		snapshot.Read{Kind: ingress, Names: []string{"demo/a"}},
		snapshot.Read{Kind: ingress},
		snapshot.Read{Kind: ingress, Names: []string{"demo/b"}},
		snapshot.Read{Kind: node, Names: []string{"/cdev01"}},
		snapshot.Read{Kind: service, Fields: []string{"spec.clusterIP"}},
		snapshot.Read{Fields: []string{"status.every"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]snapshot.Kind{config, ingress, node, service}, reads.Kinds()); diff != "" {
		t.Errorf("kinds: (-want +got)\n%s", diff)
	}
	if k, f, ok := reads.Kind("", "Service"); !ok || k != service {
		t.Errorf("Service: %v, %v", k, ok)
	} else {
		for keys, want := range map[string]string{
			"spec externalIPs": "whole", "spec clusterIP": "whole", "spec type": "nothing", "metadata name": "whole", "status every": "whole",
			"metadata ownerReferences kind": "whole", "metadata ownerReferences uid": "nothing", "metadata annotations whohas.io/allow": "whole", "metadata annotations x": "nothing",
		} {
			if got := kept(f, (*snapshot.Fields).Child, keys); got != want {
				t.Errorf("of a Service's %q %s is kept, want %s", keys, got, want)
			}
		}
	}
	if _, f, ok := reads.Kind("serving.knative.dev", "Service"); ok || f != nil {
		t.Error("another group's Service is declared")
	}
	for _, tt := range []struct {
		kind  snapshot.Kind
		names []string
		wants map[[2]string]bool
	}{
		{service, nil, map[[2]string]bool{{"demo", "any"}: true}},
		{config, []string{"kube-public/cluster-info", "kube-system/kube-proxy", "kube-system/kubevip"}, map[[2]string]bool{
			{"kube-system", "kube-proxy"}: true, {"kube-public", "cluster-info"}: true, {"demo", "kube-proxy"}: false,
		}},
		{ingress, nil, map[[2]string]bool{{"demo", "a"}: true, {"demo", "c"}: true}},
		{node, []string{"/cdev01"}, map[[2]string]bool{{"", "cdev01"}: true, {"", "cdev02"}: false}},
		{snapshot.PodKind, nil, map[[2]string]bool{{"demo", "a"}: false}},
	} {
		if diff := cmp.Diff(tt.names, reads.Names(tt.kind)); diff != "" {
			t.Errorf("names of %s: (-want +got)\n%s", tt.kind.Kind, diff)
		}
		for name, want := range tt.wants {
			if reads.Wants(tt.kind, name[0], name[1]) != want {
				t.Errorf("%s %v is wanted: %v, want %v", tt.kind.Kind, name, !want, want)
			}
		}
	}
	if _, err := snapshot.NewReads(snapshot.Read{Kind: node, Fields: []string{"a["}}); err == nil {
		t.Error("a bad path passes")
	}
	if _, err := snapshot.NewReads(snapshot.OwnReads()...); err != nil {
		t.Error(err)
	}
	var none snapshot.Reads
	if _, _, ok := none.Kind("", "Node"); ok || none.Wants(node, "", "a") || none.Names(node) != nil || len(none.Kinds()) > 0 {
		t.Error("the zero Reads keeps something")
	}
}
