// SPDX-License-Identifier: Apache-2.0

package netfilter_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/dataplane"
	"whohas/dataplane/netfilter"
)

func TestParseSave(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []dataplane.Table
		err        string
	}{
		{name: "nothing"},
		{name: "comments and blank lines", text: "# Generated\n\n# Warning: iptables-legacy tables present\n"},
		{name: "counters, policies, quotes", text: `*nat
:PREROUTING ACCEPT [12:900]
:KUBE-X - [0:0]
[5:300] -A PREROUTING -d 192.0.2.1/32 -m comment --comment "a \"b\" [c]" -j KUBE-X
-A KUBE-X -j DNAT --to-destination 10.0.0.1:80
COMMIT
*filter
:INPUT DROP
COMMIT
`, want: []dataplane.Table{
			{Backend: "nft", Family: "ip", Name: "nat", Chains: []dataplane.Chain{
				{Name: "PREROUTING", Policy: "ACCEPT", Rules: []string{`-d 192.0.2.1/32 -m comment --comment "a \"b\" [c]" -j KUBE-X`}},
				{Name: "KUBE-X", Policy: "-", Rules: []string{"-j DNAT --to-destination 10.0.0.1:80"}},
			}},
			{Backend: "nft", Family: "ip", Name: "filter", Chains: []dataplane.Chain{{Name: "INPUT", Policy: "DROP"}}},
		}},
		{name: "a rule that only counts, a chain that was not declared", text: "*raw\n-A X\nCOMMIT\n", want: []dataplane.Table{
			{Backend: "nft", Family: "ip", Name: "raw", Chains: []dataplane.Chain{{Name: "X", Rules: []string{""}}}}}},
		{name: "white space and carriage returns", text: "*raw\r\n:X -\t[0:0]\r\n  -A X   -j ACCEPT  \r\nCOMMIT\r\n", want: []dataplane.Table{
			{Backend: "nft", Family: "ip", Name: "raw", Chains: []dataplane.Chain{{Name: "X", Policy: "-", Rules: []string{"-j ACCEPT"}}}}}},
		{name: "unknown lines do not hide the others", text: "*nat\n:X - [0:0]\n-D X -j ACCEPT\n-A X -j ACCEPT\nhello\nCOMMIT\n",
			err: `read rules: line 3: unknown line "-D X -j ACCEPT" (and 1 more)`,
			want: []dataplane.Table{
				{Backend: "nft", Family: "ip", Name: "nat", Chains: []dataplane.Chain{{Name: "X", Policy: "-", Rules: []string{"-j ACCEPT"}}}}}},
		{name: "cut off", text: "*nat\n:X - [0:0]\n", err: "read rules: line 2: table nat: no COMMIT: the text ends early",
			want: []dataplane.Table{{Backend: "nft", Family: "ip", Name: "nat", Chains: []dataplane.Chain{{Name: "X", Policy: "-"}}}}},
		{name: "a table in a table", text: "*nat\n*raw\nCOMMIT\n", err: "read rules: line 2: table nat: no COMMIT",
			want: []dataplane.Table{{Backend: "nft", Family: "ip", Name: "nat"}, {Backend: "nft", Family: "ip", Name: "raw"}}},
		{name: "outside of a table", text: "-A X -j ACCEPT\n", err: `read rules: line 1: "-A X -j ACCEPT" stands in no table`},
		{name: "no chain", text: "*nat\n-A\nCOMMIT\n", err: `read rules: line 2: no chain in "-A"`,
			want: []dataplane.Table{{Backend: "nft", Family: "ip", Name: "nat"}}},
		{name: "bad counters", text: "*nat\n[5:300 -A X\nCOMMIT\n", err: `read rules: line 2: counters of "[5:300 -A X"`,
			want: []dataplane.Table{{Backend: "nft", Family: "ip", Name: "nat"}}},
		{name: "bad chain", text: "*nat\n:X\nCOMMIT\n", err: `read rules: line 2: chain "X"`,
			want: []dataplane.Table{{Backend: "nft", Family: "ip", Name: "nat"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := netfilter.ParseSave(strings.NewReader(tt.text), "nft", "ip")
			if text := errorText(err); text != tt.err {
				t.Errorf("error %q, want %q", text, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestParseSaveLongLine(t *testing.T) {
	text := "*nat\n:X - [0:0]\n-A X -j ACCEPT\n-A X " + strings.Repeat("a", 2<<20) + "\nCOMMIT\n"
	got, err := netfilter.ParseSave(strings.NewReader(text), "nft", "ip")
	var save *netfilter.SaveError
	if !errors.As(err, &save) || save.Line != 4 {
		t.Errorf("error %v, want line 4", err)
	}
	if len(got) != 1 || len(got[0].Chains[0].Rules) != 1 {
		t.Errorf("what stands before the line is lost: %v", got)
	}
}

// save writes tables as iptables-save does.
func save(tables []dataplane.Table) string {
	var b strings.Builder
	for _, t := range tables {
		b.WriteString("*" + t.Name + "\n")
		for _, c := range t.Chains {
			policy := c.Policy
			if policy == "" { // not declared: it keeps its place all the same
				policy = "-"
			}
			b.WriteString(":" + c.Name + " " + policy + " [0:0]\n")
		}
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				b.WriteString("-A " + c.Name + " " + r + "\n")
			}
		}
		b.WriteString("COMMIT\n")
	}
	return b.String()
}

func FuzzParseSave(f *testing.F) {
	for _, file := range dumps(f) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("*nat\n[1:2] -A X\n:X - [0:0]\nCOMMIT\n*\n:\n[")
	f.Add("*nat\n-A X ACCEPT\n:Y - [0:0]\n-A Y -j X\nCOMMIT\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := netfilter.ParseSave(strings.NewReader(text), "legacy", "ip")
		netfilter.Frontends(got)
		rules := 0
		for _, table := range got {
			for _, c := range table.Chains {
				rules += len(c.Rules)
			}
		}
		if lines := strings.Count(text, "\n") + 1; rules > lines {
			t.Fatalf("%d rules out of %d lines", rules, lines)
		}
		if err != nil {
			return
		}
		again, err := netfilter.ParseSave(strings.NewReader(save(got)), "legacy", "ip")
		if err != nil {
			t.Fatalf("what was read cannot be read back: %v\n%s", err, save(got))
		}
		if diff := cmp.Diff(save(got), save(again)); diff != "" {
			t.Fatalf("(-read +read again):\n%s", diff)
		}
	})
}

func dumps(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.iptables")
	if err != nil || len(files) < 3 {
		t.Fatalf("dumps: %v, %v", files, err)
	}
	return files
}

func readSave(t testing.TB, name string) []dataplane.Table {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tables, err := netfilter.ParseSave(f, "legacy", "ip")
	if err != nil {
		t.Fatal(err)
	}
	return tables
}
