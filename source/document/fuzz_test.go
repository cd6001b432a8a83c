// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// seeds are streams of every sort.
var seeds = []string{
	nodeA, "---\n" + nodeA + "---\n" + nodeA, "# x\n\ufeff" + nodeA, strings.ReplaceAll(nodeA, "\n", "\r\n"),
	"%YAML 1.1\n---\n" + nodeA + "...\n", "--- {apiVersion: v1, kind: Node}\n", "a: &x [1]\nb: *x\n<<: {c: 1}\n",
	"apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  externalIPs:\n  - 192.0.2.1\n  - \"x\\n\" # c\n  - 'it''s'\n  ports:\n  - port: 80\n    name: http\n  -\n  - - a\n    - b: |\n        text\n\n      c: |-\n        t\n      d: |+\n        t\n\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-proxy, namespace: kube-system}\ndata:\n  config.conf: |\n    mode: ipvs\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kube-proxy\n  namespace: kube-system\ndata:\n  x: |\n    clusterCIDR: a\n    ---\n    a: b\n",
	"apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata:\n    name: a\n- kind: x: y\nkind: List\n",
	"apiVersion: v1\nkind: Node\nmetadata:\n  name: a\n  managedFields:\n  - manager: x\n    fieldsV1:\n      f:spec:\n        f:podCIDR: {}\n        k:{\"a\":1}: {}\n",
	`{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}}`, `[{"a":"\u00e4\\"},{}] {}`, `{"kind":"NodeList","apiVersion":"v1","items":[{"metadata":{"name":"a"}}]}`,
	`{"items":[{"metadata":{"name":"a"}},{"items":[]}],"kind":"NodeList","apiVersion":"v1"}`, `{"items":[{"a":"b},{"c":1}]`, "{\"a\":\"\n", "{{ x }}\n", "{% x %}\n", "{a: b}\n", "}\n" + nodeA,
	"==== START logs for container c of pod n/p ====\nx\n==== END logs for container c of pod n/p ====\n" + nodeA,
	strings.ReplaceAll(nodeA, "a}", "\u00e4\u2028\U0001f600}"), "apiVersion: v1\nkind: Node\nmetadata:\n  name: \u00e4\n  namespace: \"\u4e2d\"\n",
	bomb(), "\xff\xfea\x00", "a\x00", "a: b: c\n---\n" + nodeA, "kind: Node\nkind: Node\napiVersion: v1\nmetadata: {}\nmetadata: {name: 1}\n",
	"apiVersion: v1\nkind: Service\nmetadata: {name: a, 'namespace': \"b\", labels: {app.kubernetes.io/name: x, y: {}}} # c\nspec:\n  externalIPs: [\"192.0.2.1\", 192.0.2.2, 'it''s', ~, 0x10, a#b, a:b, \":1\", -x]\n  ports:\n  - {name: http, port: 80, port: 81, \"x\":1, 'y':[1, {a: [], b: yes}]}\n  - [a, [b, {c: d}]]\nstatus: {loadBalancer: {on: off, ~: x}}\n",
	"apiVersion: v1\nkind: Pod\nmetadata: {name: a, managedFields: [{manager: x, fieldsV1: {'f:spec': {'k:{\"a\":1}': {}}, f:status: {}}}]}\nspec: {containers: [{args: [\"--mode\", a,]}, {args: [a: b, ? c, {d, e: }]}]}\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-proxy, namespace: kube-system}\ndata: {config.conf: \"mode: ipvs\\nmode: x\", a: '{clusterCIDR: b}'}\n",
	"# only\n  # this\n\n", "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  externalIPs: [a\n  ]\n  ports: {a: b}: c\n",
	"apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .x }}\n  name: b\n", "apiVersion: v1\nkind: Service\nstatus:\n  loadBalancer: &a [*a]\n",
}

// FuzzDecode: nothing that a stream holds makes Decode panic, lines stand in
// the file, and it does not matter in which pieces the stream comes.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		snap, result := decode(t, bytes.NewReader(in))
		pieces, again := decode(t, iotest.OneByteReader(bytes.NewReader(in)))
		if diff := cmp.Diff(show(snap), show(pieces)); diff != "" {
			t.Errorf("in pieces: %s", diff)
		}
		if brief(result) != brief(again) {
			t.Errorf("in pieces: %s, whole: %s", brief(again), brief(result))
		}
		lines := bytes.Count(in, newline) + 1
		for _, o := range snap.Objects {
			if last := lastLine(&o.Root); o.Line < 1 || last > lines {
				t.Errorf("%v stands on lines %d to %d of %d", o.Ref, o.Line, last, lines)
			}
		}
		for _, c := range snap.Coverage {
			if c.Line > lines {
				t.Errorf("%+v of %d lines", c, lines)
			}
		}
	})
}

func lastLine(v *snapshot.Value) int {
	last := int(v.Line)
	for i := range v.Items {
		last = max(last, lastLine(&v.Items[i]))
	}
	return last
}

// FuzzPlain: what package plainyaml accepts becomes the objects that the library makes of it.
func FuzzPlain(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), false)
		f.Add([]byte("- "+strings.ReplaceAll(s, "\n", "\n  ")+"\n"), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, part bool) {
		if w := windowOn(text, 1); hasMarker(&splitter{window: w}) {
			return // the splitter cuts there
		}
		sameAsParser(t, text, part)
	})
}

func hasMarker(s *splitter) bool {
	for s.at < len(s.buf) {
		if s.boundary() {
			return true
		}
		s.passLine()
	}
	return false
}

// FuzzSame: JSON and the same content as YAML, in blocks and in brackets, make
// the same objects.
func FuzzSame(f *testing.F) {
	for _, s := range seeds {
		if json.Valid([]byte(s)) {
			f.Add([]byte(s))
		}
	}
	f.Add([]byte(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"yes","namespace":" x"},"status":{"loadBalancer":[1,-0,1.5e3,"1","~","<<","a\n b\n","#",{"":[[]],"on":null}]}}`))
	f.Add([]byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kube-proxy","namespace":"kube-system"},"data":{"a":"clusterCIDR: x\n---\n{}"}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		d := json.NewDecoder(bytes.NewReader(in))
		d.UseNumber()
		var content any
		if d.Decode(&content) != nil {
			return
		}
		if _, ok := content.(map[string]any); !ok {
			return // a scalar is JSON, but no document
		}
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		want, result := decode(t, bytes.NewReader(text))
		for name, style := range map[string]yaml.Style{"blocks": 0, "brackets": yaml.FlowStyle} {
			in := kubectlYAML(t, yamlNode(content, style))
			if style != 0 && bytes.Contains(in, []byte("{{")) || bytes.HasPrefix(in, []byte("{}")) {
				continue // looks like a template
			}
			got, again := decode(t, bytes.NewReader(in))
			if diff := cmp.Diff(withoutLines(want), withoutLines(got)); diff != "" {
				t.Errorf("%s:\n%s\n-json +yaml\n%s", name, in, diff)
			}
			result.Strangers, again.Strangers = 0, 0 // a list of lists of nothing is one, or more
			if brief(result) != brief(again) {
				t.Errorf("%s:\n%s\njson: %s, yaml: %s", name, in, brief(result), brief(again))
			}
		}
	})
}

// withoutLines shows the objects. Equal ones on one line are one object; so they
// are here on different lines.
func withoutLines(s *snapshot.Snapshot) string {
	for _, o := range s.Objects {
		o.Line = 0
		unplace(&o.Root)
	}
	objects := strings.SplitAfter(show(&snapshot.Snapshot{Objects: s.Objects}), "\n")
	slices.Sort(objects)
	return strings.Join(slices.Compact(objects), "")
}

// yamlNode is the YAML of JSON's content.
func yamlNode(v any, style yaml.Style) *yaml.Node {
	n := &yaml.Node{Style: style}
	switch v := v.(type) {
	case map[string]any:
		n.Kind = yaml.MappingNode
		for _, k := range sortedKeys(v) {
			n.Content = append(n.Content, yamlNode(k, style), yamlNode(v[k], style))
		}
	case []any:
		n.Kind = yaml.SequenceNode
		for _, c := range v {
			n.Content = append(n.Content, yamlNode(c, style))
		}
	case string:
		n = &yaml.Node{Kind: yaml.ScalarNode, Value: v}
		if _, word := words[v]; word || style != 0 || (&yaml.Node{Kind: yaml.ScalarNode, Value: v}).ShortTag() != "!!str" || strings.HasPrefix(v, "=") {
			n.Style = yaml.DoubleQuotedStyle
		}
		n.Tag = "!!str"
	case json.Number:
		n = &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}
	case bool:
		n = &yaml.Node{Kind: yaml.ScalarNode, Value: map[bool]string{true: "true", false: "false"}[v]}
	default:
		n = &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}
	}
	return n
}
