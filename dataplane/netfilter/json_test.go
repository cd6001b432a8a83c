// SPDX-License-Identifier: Apache-2.0

package netfilter_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/dataplane"
	"whohas/dataplane/netfilter"
)

func TestParseJSON(t *testing.T) {
	const head = `{"nftables":[{"metainfo":{"version":"1.0.6"}},`
	table := func(t dataplane.Table) []dataplane.Table {
		t.Backend = "nftables"
		return []dataplane.Table{t}
	}
	for _, tt := range []struct {
		name, text string
		want       []dataplane.Table
		err        string
	}{
		{name: "no rules", text: `{"nftables":[{"metainfo":{"version":"1.0.6"}}]}`},
		{name: "no JSON", text: "internal:0:0-0: Error: Could not process rule", err: "read ruleset: invalid character 'i' looking for beginning of value"},
		{name: "another JSON", text: `{"items":[]}`, err: "read ruleset: no list of nftables objects"},
		{name: "cut off", text: `{"nftables":[{"table"`, err: "read ruleset: unexpected EOF"},
		{name: "a rule without counts, handles and the order of keys",
			text: head + `{"table":{"family":"inet","name":"a","handle":1}},{"chain":{"family":"inet","table":"a","name":"c","handle":1,"type":"filter","hook":"input","prio":-150,"policy":"drop"}},
{"rule":{"family":"inet","table":"a","chain":"c","handle":4,"comment":"<why>","expr":[{"match":{"right":80,"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}}}},{"counter":{"packets":5,"bytes":300}},{"quota":{"val":1,"val_unit":"mbytes","used":3,"used_unit":"bytes"}},{"last":{"used":7}},{"accept":null}]}}]}`,
			want: table(dataplane.Table{Family: "inet", Name: "a", Chains: []dataplane.Chain{{Name: "c", Policy: "DROP", Type: "filter", Hook: "input", Priority: -150, Rules: []string{
				`[{"match":{"left":{"payload":{"field":"dport","protocol":"tcp"}},"op":"==","right":80}},{"counter":{}},{"quota":{"val":1,"val_unit":"mbytes"}},{"last":{}},{"accept":null},{"comment":"<why>"}]`}}}})},
		{name: "sets and maps",
			text: head + `{"map":{"family":"ip","name":"m","table":"a","type":["ipv4_addr","inet_service"],"map":"verdict","elem":[[{"concat":["192.0.2.2",80]},{"drop":null}],[{"elem":{"val":{"concat":["192.0.2.1",80]},"counter":{"packets":1,"bytes":2},"comment":"x"}},{"goto":{"target":"c"}}]]}},
{"set":{"family":"ip","name":"s","table":"a","type":"ipv4_addr","elem":[{"elem":{"val":"192.0.2.1","timeout":60,"expires":59}}]}},
{"map":{"family":"ip","name":"t","table":"a","type":{"typeof":{"meta":"mark"}},"map":["ipv4_addr","inet_service"]}},
{"element":{"family":"ip","name":"s","table":"a","elem":["192.0.2.9"]}}]}`,
			want: table(dataplane.Table{Family: "ip", Name: "a", Maps: []dataplane.Map{
				{Name: "m", Type: []string{"ipv4_addr", "inet_service"}, Verdict: "verdict", Elements: []string{
					`[{"concat":["192.0.2.2",80]},{"drop":null}]`,
					`[{"elem":{"comment":"x","counter":{},"val":{"concat":["192.0.2.1",80]}}},{"goto":{"target":"c"}}]`}},
				{Name: "s", Type: []string{"ipv4_addr"}, Elements: []string{`"192.0.2.9"`, `{"elem":{"timeout":60,"val":"192.0.2.1"}}`}},
				{Name: "t", Type: []string{`{"typeof":{"meta":"mark"}}`}, Verdict: "ipv4_addr . inet_service"},
			}})},
		{name: "a chain on devices", text: head + `{"chain":{"family":"netdev","table":"n","name":"i","type":"filter","hook":"ingress","prio":0,"dev":["eth0","eth1"],"policy":"accept"}}]}`,
			want: table(dataplane.Table{Family: "netdev", Name: "n", Chains: []dataplane.Chain{{Name: "i", Policy: "ACCEPT", Type: "filter", Hook: "ingress", Devices: []string{"eth0", "eth1"}}}})},
		{name: "what is not known is told", text: head + `{"flowtable":{"family":"ip","name":"f","table":"a"}},{"tunnel":{}},{"zebra":1},{"tunnel":{}},{"table":{"family":"ip","name":"a"}}]}`,
			err:  "read ruleset: unknown objects: tunnel, zebra",
			want: table(dataplane.Table{Family: "ip", Name: "a"})},
		{name: "what has another form is told", text: head + `{"rule":{"family":"ip","table":"a"}},{"chain":7},{"table":{"family":"ip","name":"a"}}]}`,
			err:  "read ruleset: object 1: rule: no family, table, chain or name\nread ruleset: object 2: chain: json: cannot unmarshal number into Go value of type netfilter.nftObject",
			want: table(dataplane.Table{Family: "ip", Name: "a"})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := netfilter.ParseJSON(strings.NewReader(tt.text))
			if text := errorText(err); text != tt.err {
				t.Errorf("error %q, want %q", text, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	_, err := netfilter.ParseJSON(strings.NewReader(head + `{"tunnel":{}}]}`))
	var unknown *netfilter.UnknownError
	if !errors.As(err, &unknown) || len(unknown.Names) != 1 {
		t.Errorf("%v is no UnknownError", err)
	}
}

// ruleset writes tables as nft does.
func ruleset(t testing.TB, tables []dataplane.Table) string {
	t.Helper()
	type object = map[string]any
	objects := []object{{"metainfo": object{}}}
	raw := func(list []string) []json.RawMessage {
		out := []json.RawMessage{}
		for _, text := range list {
			out = append(out, json.RawMessage(text))
		}
		return out
	}
	for _, tb := range tables {
		objects = append(objects, object{"table": object{"family": tb.Family, "name": tb.Name}})
		for _, c := range tb.Chains {
			objects = append(objects, object{"chain": object{"family": tb.Family, "table": tb.Name, "name": c.Name, "type": c.Type, "hook": c.Hook, "prio": c.Priority, "policy": c.Policy, "dev": c.Devices}})
		}
		for _, c := range tb.Chains {
			for _, r := range c.Rules {
				objects = append(objects, object{"rule": object{"family": tb.Family, "table": tb.Name, "chain": c.Name, "expr": json.RawMessage(r)}})
			}
		}
		for _, m := range tb.Maps {
			objects = append(objects, object{"map": object{"family": tb.Family, "table": tb.Name, "name": m.Name, "type": m.Type, "map": m.Verdict, "elem": raw(m.Elements)}})
		}
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object{"nftables": objects}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func FuzzParseJSON(f *testing.F) {
	text, err := os.ReadFile("testdata/kube-proxy.nft.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	for _, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSuffix(line, ","); strings.HasPrefix(line, `{"`) && strings.HasSuffix(line, "}}") {
			f.Add(`{"nftables":[` + line + `]}`)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := netfilter.ParseJSON(strings.NewReader(text))
		netfilter.Frontends(got)
		if err != nil {
			return
		}
		written := ruleset(t, got)
		again, err := netfilter.ParseJSON(strings.NewReader(written))
		if err != nil {
			t.Fatalf("what was read cannot be read back: %v\n%s", err, written)
		}
		if diff := cmp.Diff(written, ruleset(t, again)); diff != "" {
			t.Fatalf("(-read +read again):\n%s", diff)
		}
	})
}

func readJSON(t testing.TB, name string) []dataplane.Table {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tables, err := netfilter.ParseJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	return tables
}
