// SPDX-License-Identifier: Apache-2.0

package netfilter_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"whohas/dataplane/netfilter"
)

var equalAddresses = cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})

func TestParseRule(t *testing.T) {
	type (
		rule   = netfilter.Rule
		match  = netfilter.Match
		target = netfilter.Target
		ports  = netfilter.PortRange
	)
	list := func(m ...match) []match { return m }
	prefix := netip.MustParsePrefix
	for _, tt := range []struct {
		text string
		want rule
	}{
		{"", rule{}},
		{"-d 192.168.10.114/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-X", rule{
			list(
				match{Kind: netfilter.Destination, Known: true, Option: "-d", Values: []string{"192.168.10.114/32"}, Prefix: prefix("192.168.10.114/32")},
				match{Kind: netfilter.Proto, Known: true, Option: "-p", Values: []string{"tcp"}, Protocol: "TCP"},
				match{Kind: netfilter.DestinationPort, Known: true, Module: "tcp", Option: "--dport", Values: []string{"80"}, Ports: []ports{{80, 80}}},
			), target{Name: "KUBE-SVC-X"}}},
		{"! --source 10.0.0.0/255.0.0.0 -g NEXT", rule{
			list(match{Kind: netfilter.Source, Known: true, Not: true, Option: "-s", Values: []string{"10.0.0.0/255.0.0.0"}, Prefix: prefix("10.0.0.0/8")}),
			target{Name: "NEXT", Goto: true}}},
		{"-s ! 10.0.0.0/8 -m tcp -p tcp -d 172.30.0.41 --dport :80 -j DNAT --to-destination 10.180.0.1:80 --random --persistent", rule{
			list(
				match{Kind: netfilter.Source, Known: true, Not: true, Option: "-s", Values: []string{"10.0.0.0/8"}, Prefix: prefix("10.0.0.0/8")},
				match{Kind: netfilter.Proto, Known: true, Option: "-p", Values: []string{"tcp"}, Protocol: "TCP"},
				match{Kind: netfilter.Destination, Known: true, Option: "-d", Values: []string{"172.30.0.41"}, Prefix: prefix("172.30.0.41/32")},
				match{Kind: netfilter.DestinationPort, Known: true, Module: "tcp", Option: "--dport", Values: []string{":80"}, Ports: []ports{{0, 80}}},
			), target{Name: "DNAT", Options: []netfilter.Option{{Name: "--to-destination", Values: []string{"10.180.0.1:80"}}, {Name: "--random"}, {Name: "--persistent"}}}}},
		{"-d 10.0.0.1/255.0.255.0 -m socket -m multiport ! --dports 80,443,1000:2000 -m set --match-set KUBE-X dst,dst -j RETURN", rule{
			list(
				match{Kind: netfilter.Destination, Option: "-d", Values: []string{"10.0.0.1/255.0.255.0"}},
				match{Module: "socket"},
				match{Kind: netfilter.DestinationPort, Known: true, Not: true, Module: "multiport", Option: "--dports", Values: []string{"80,443,1000:2000"}, Ports: []ports{{80, 80}, {443, 443}, {1000, 2000}}},
				match{Kind: netfilter.SetMember, Known: true, Module: "set", Option: "--match-set", Values: []string{"KUBE-X", "dst,dst"}},
			), target{Name: "RETURN"}}},
		{`-m comment --comment -j -m mark ! --mark 0x4000/0x4000 -m connmark --mark 7 -m statistic --mode random --probability 0.5 -m physdev ! --physdev-is-in -j LOG --log-prefix "-a \"b"`, rule{
			list(
				match{Kind: netfilter.Comment, Known: true, Module: "comment", Option: "--comment", Values: []string{"-j"}},
				match{Kind: netfilter.Mark, Known: true, Not: true, Module: "mark", Option: "--mark", Values: []string{"0x4000/0x4000"}, Mark: 0x4000, MarkMask: 0x4000},
				match{Kind: netfilter.ConnMark, Known: true, Module: "connmark", Option: "--mark", Values: []string{"7"}, Mark: 7, MarkMask: 0xffffffff},
				match{Module: "statistic", Option: "--mode", Values: []string{"random"}},
				match{Module: "statistic", Option: "--probability", Values: []string{"0.5"}},
				match{Kind: netfilter.PhysIsIn, Known: true, Not: true, Module: "physdev", Option: "--physdev-is-in"},
			), target{Name: "LOG", Options: []netfilter.Option{{Name: "--log-prefix", Values: []string{`-a "b`}}}}}},
		{"-p 132 -m sctp --dport http -i eth+ -f", rule{
			list(
				match{Kind: netfilter.Proto, Known: true, Option: "-p", Values: []string{"132"}, Protocol: "SCTP"},
				match{Kind: netfilter.DestinationPort, Module: "sctp", Option: "--dport", Values: []string{"http"}},
				match{Kind: netfilter.In, Known: true, Option: "-i", Values: []string{"eth+"}},
				match{Kind: netfilter.Fragment, Known: true, Option: "-f"},
			), target{}}},
		{"-d ::ffff:10.0.0.1 -m hl --hl-eq -5 -j MARK --set-xmark 0x0/0x4000", rule{
			list(
				match{Kind: netfilter.Destination, Known: true, Option: "-d", Values: []string{"::ffff:10.0.0.1"}, Prefix: prefix("10.0.0.1/32")},
				match{Module: "hl", Option: "--hl-eq", Values: []string{"-5"}},
			), target{Name: "MARK", Options: []netfilter.Option{{Name: "--set-xmark", Values: []string{"0x0/0x4000"}}}}}},
	} {
		got, err := netfilter.ParseRule(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, equalAddresses); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", tt.text, diff)
		}
		again, err := netfilter.ParseRule(got.String())
		if diff := cmp.Diff(got, again, equalAddresses); diff != "" || err != nil {
			t.Errorf("%s: read back from %s: %v\n%s", tt.text, got, err, diff)
		}
	}
}

func TestParseRuleErrors(t *testing.T) {
	for text, want := range map[string]string{
		`--comment "a`:            "read rule: a quotation does not end",
		"hello":                   `read rule: "hello" is no option`,
		"! ! -s 10.0.0.1":         "read rule: ! twice",
		"! -s ! 10.0.0.1":         "read rule: ! twice",
		"-s 10.0.0.1 !":           "read rule: ! negates nothing",
		"-m":                      "read rule: -m: no name",
		"! -j ACCEPT":             "read rule: -j: no name",
		"-j ACCEPT -j DROP":       "read rule: -j DROP stands after the target",
		"-d":                      "read rule: -d: no value",
		"-m set --match-set A":    "read rule: --match-set: no value",
		"-j DNAT ! --to 10.0.0.1": "read rule: ! before --to of the target",
		"-j ACCEPT nonsense":      `read rule: "nonsense" is no option`,
		`-m "" -j ACCEPT`:         "read rule: -m: no name",
		`-p tcp "--dport" 80`:     `read rule: "--dport" is no option`,
	} {
		_, err := netfilter.ParseRule(text)
		if got := errorText(err); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestRuleLookups(t *testing.T) {
	r, err := netfilter.ParseRule("-d 10.0.0.1 -m limit --limit 5/sec -m socket -j DNAT --to-destination 10.0.0.2:8080")
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := r.Match(netfilter.Destination); !ok || m.Prefix.String() != "10.0.0.1/32" {
		t.Errorf("destination: %v %v", m, ok)
	}
	if _, ok := r.Match(netfilter.Source); ok {
		t.Error("there is no source")
	}
	if n := len(r.Unknown()); n != 2 {
		t.Errorf("%d unknown matches, want 2: %v", n, r.Unknown())
	}
	if got := r.Target.Value("--to-destination"); got != "10.0.0.2:8080" {
		t.Errorf("to %q", got)
	}
}

func FuzzParseRule(f *testing.F) {
	for _, file := range dumps(f) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if rule, ok := strings.CutPrefix(line, "-A "); ok {
				_, rule, _ = strings.Cut(rule, " ")
				f.Add(rule)
			}
		}
	}
	f.Add(`-m socket -m socket --nowildcard -s ! 1.2.3.4 --x "" "!" -5 -j "!" --y "a b"`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := netfilter.ParseRule(text)
		if err != nil {
			return
		}
		words := strings.Fields(text)
		if len(r.Matches) > len(words) || len(r.Target.Options) > len(words) {
			t.Fatalf("%d matches out of %d words", len(r.Matches), len(words))
		}
		again, err := netfilter.ParseRule(r.String())
		if err != nil {
			t.Fatalf("%q cannot be read back: %v", r, err)
		}
		if diff := cmp.Diff(r, again, equalAddresses); diff != "" {
			t.Fatalf("%q (-read +read again):\n%s", r, diff)
		}
		if again.String() != r.String() {
			t.Fatalf("%q is written again as %q", r, again)
		}
		for _, m := range r.Matches {
			if m.Known && (m.Kind == netfilter.Source || m.Kind == netfilter.Destination) != m.Prefix.IsValid() {
				t.Fatalf("%q: known, and no prefix: %v", text, m)
			}
		}
	})
}
