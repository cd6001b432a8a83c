// SPDX-License-Identifier: Apache-2.0

package bypass

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"whohas/dataplane"
)

var (
	stolen = netip.MustParseAddr("192.168.10.114")
	other  = netip.MustParseAddr("192.168.10.1")
)

// rulesOf reads rules as ip prints them, and no others than these tests have.
func rulesOf(t *testing.T, text string) []dataplane.Rule {
	t.Helper()
	var out []dataplane.Rule
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		r := dataplane.Rule{Family: 4}
		f := strings.Fields(line)
		fmt.Sscanf(f[0], "%d:", &r.Priority)
		for i := 1; i < len(f); i++ {
			word := func() string { i++; return f[i] }
			switch f[i] {
			case "from":
				if p := word(); p != "all" {
					r.From = netip.MustParsePrefix(p)
				}
			case "to":
				r.To = netip.MustParsePrefix(word())
			case "goto":
				fmt.Sscan(word(), &r.Goto)
			case "lookup":
				r.Table = map[string]int{"local": 255, "main": 254, "default": 253, "100": 100}[word()]
			case "proto":
				r.Protocol = word()
			case "fwmark":
				r.Mark, r.Mask = 1, 0xffffffff
				word()
			case "nop":
				r.Type = "nop"
			default:
				t.Fatalf("%s: what is %q?", line, f[i])
			}
		}
		out = append(out, r)
	}
	return out
}

func hostWith(rules []dataplane.Rule) *dataplane.Host {
	return &dataplane.Host{Name: "cdev02", Rules: rules,
		Addresses: []dataplane.Address{
			{Link: "eth0", Prefix: netip.MustParsePrefix("192.168.10.115/24")},
			{Link: "kube-ipvs0", Prefix: netip.MustParsePrefix("192.168.10.114/32")}},
		Routes: []dataplane.Route{{Table: 254, Type: "unicast", To: netip.MustParsePrefix("192.168.10.0/24"), Link: "eth0"}}}
}

const kernels = `
0: from all lookup local
32766: from all lookup main
32767: from all lookup default`

// run does changes as a kernel does.
func run(rules []dataplane.Rule, changes []Change) []dataplane.Rule {
	for _, c := range changes {
		if !c.Take {
			rules = put(rules, c.Rule)
		} else if i := slices.Index(rules, c.Rule); i >= 0 {
			rules = slices.Delete(slices.Clone(rules), i, i+1)
		}
	}
	return rules
}

func TestPlaces(t *testing.T) {
	for _, test := range []struct {
		name, rules string
		purpose     Purpose
		want        string // the lines; or why there are none
	}{
		{"kernel's own rules", kernels, Repair,
			`ip rule add pref 1 type nop protocol kernel && ip rule add pref 0 to 192.168.10.114 goto 1 protocol kernel && ` +
				`ip rule add pref 0 lookup local protocol boot && ip rule del pref 0 lookup local && ` +
				`ip rule add pref 0 lookup local protocol kernel && ip rule del pref 0 lookup local protocol boot`},
		{"a shield stands one further", kernels, Shield,
			`ip rule add pref 2 type nop protocol kernel && ip rule add pref 0 to 192.168.10.114 goto 2 protocol kernel && ` +
				`ip rule add pref 0 lookup local protocol boot && ip rule del pref 0 lookup local && ` +
				`ip rule add pref 0 lookup local protocol kernel && ip rule del pref 0 lookup local protocol boot`},
		{"others directly behind", `
0: from all lookup local
1: from 10.0.0.0/8 lookup 100
32766: from all lookup main`, Repair,
			`ip rule add pref 1 type nop protocol kernel && ip rule add pref 0 to 192.168.10.114 goto 1 protocol kernel && ` +
				`ip rule add pref 0 lookup local protocol boot && ip rule del pref 0 lookup local && ` +
				`ip rule add pref 0 lookup local protocol kernel && ip rule del pref 0 lookup local protocol boot`},
		{"no place for a shield there", `
0: from all lookup local
1: from 10.0.0.0/8 lookup 100
32766: from all lookup main`, Shield, `no place for a routing rule: another rule has the preference 1, directly behind the local table's`},
		{"Cilium has moved the local table", `
9: from all fwmark 0x200/0xf00 lookup 100
100: from all lookup local
32766: from all lookup main`, Repair,
			`ip rule add pref 101 type nop protocol kernel && ip rule add pref 99 to 192.168.10.114 goto 101 protocol kernel`},
		{"another at its preference", `
0: from all lookup local
0: from 10.0.0.0/8 lookup 100
32766: from all lookup main`, Repair, `no place for a routing rule: another rule has the preference 0 of the local table's`},
		{"twice", `
0: from all lookup local
100: from all lookup local
32766: from all lookup main`, Repair, `no place for a routing rule: two rules look up the local table, at 0 and 100`},
		{"put back by hand, by ip's own protocol", `
0: from all lookup local proto boot
32766: from all lookup main`, Repair,
			`ip rule add pref 1 type nop protocol kernel && ip rule add pref 0 to 192.168.10.114 goto 1 protocol kernel && ` +
				`ip rule add pref 0 lookup local protocol static && ip rule del pref 0 lookup local protocol boot && ` +
				`ip rule add pref 0 lookup local protocol kernel && ip rule del pref 0 lookup local protocol static`},
		{"Cilium has moved it since", `
0: from all to 192.168.10.114/32 goto 1
1: from all nop
9: from all fwmark 0x200/0xf00 lookup 100
100: from all lookup local
32766: from all lookup main`, Repair,
			`ip rule add pref 101 type nop protocol kernel && ip rule del pref 0 to 192.168.10.114 goto 1 protocol kernel && ` +
				`ip rule add pref 99 to 192.168.10.114 goto 101 protocol kernel && ip rule del pref 1 type nop protocol kernel`},
		{"a nop has gone, and another rule has got the preference 0", `
0: from all to 192.168.10.114/32 goto 1
0: from all lookup local
0: from 10.0.0.0/8 lookup 100
32766: from all lookup main`, Repair, `ip rule add pref 1 type nop protocol kernel`},
		{"none of the local table", `32766: from all lookup main`, Repair, `no place for a routing rule: no rule looks up the local table`},
	} {
		changes, err := Put(hostWith(rulesOf(t, test.rules)), test.purpose, stolen)
		got := Lines(changes).String()
		if err != nil {
			got = err.Error()
			if !errors.Is(err, ErrNoPlace) {
				t.Errorf("%s: %v is no ErrNoPlace", test.name, err)
			}
		}
		if got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
}

// TestEveryStep: after each step of Put and Take, in any state of the rules, also one that an
// interrupted run has left, the local table is asked, once or twice, at its own place
// before all rules of others; these stand as they did; and at the end the address is
// passed over, or all is as it was.
func TestEveryStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawRules(t)
		ips := []netip.Addr{stolen, other}
		purpose := Purpose(rapid.IntRange(1, 2).Draw(t, "purpose"))
		changes, err := Put(hostWith(before), purpose, ips...)
		if err != nil {
			t.Skip("no place")
		}
		kept := rapid.IntRange(0, len(changes)).Draw(t, "killed after")
		rules := steps(t, before, changes[:kept])
		if rapid.Bool().Draw(t, "taken back at once") {
			rules = steps(t, rules, Take(hostWith(rules), purpose))
			same(t, before, rules)
			return
		}
		again, err := Put(hostWith(rules), purpose, ips...)
		if err != nil {
			t.Fatalf("no place after an interruption: %v\n%v", err, rules)
		}
		rules = steps(t, rules, again)
		for _, ip := range ips {
			if _, ok := Over(hostWith(rules), ip); !ok {
				t.Fatalf("%s is not passed over: %v", ip, rules)
			}
		}
		if _, ok := Over(hostWith(rules), netip.MustParseAddr("192.168.10.115")); ok {
			t.Fatal("the host's own address is passed over")
		}
		rules = steps(t, rules, Take(hostWith(rules), purpose, stolen))
		if _, ok := Over(hostWith(rules), other); !ok {
			t.Fatal("the other was taken, too")
		}
		same(t, before, steps(t, rules, Take(hostWith(rules), purpose)))
	})
}

func drawRules(t *rapid.T) []dataplane.Rule {
	local := rapid.SampledFrom([]int{0, 1, 2, 20, 100, 32765}).Draw(t, "local")
	rules := []dataplane.Rule{{Family: 4, Priority: local, Table: 255, Protocol: rapid.SampledFrom([]string{"", "", "boot"}).Draw(t, "protocol")}}
	for _, priority := range rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 2, 9, 19, 20, 21, 99, 100, 101, 1000, 32765}), 0, 4).Draw(t, "others") {
		rules = put(rules, dataplane.Rule{Family: 4, Priority: priority, From: netip.MustParsePrefix("10.0.0.0/8"), Table: 100})
	}
	return put(rules, dataplane.Rule{Family: 4, Priority: 32766, Table: 254})
}

func steps(t *rapid.T, rules []dataplane.Rule, changes []Change) []dataplane.Rule {
	t.Helper()
	foreign := others(rules)
	for _, c := range changes {
		rules = run(rules, []Change{c})
		c := newChain(hostWith(rules), 4)
		if _, err := c.local(); err != nil {
			t.Fatalf("%v: %v", err, rules)
		}
		if diff := cmp.Diff(foreign, others(rules), addresses); diff != "" {
			t.Fatalf("others' rules have changed: %s", diff)
		}
		if d := c.decides(netip.MustParseAddr("192.168.10.115")); d.over {
			t.Fatalf("the host's own address is passed over: %v", rules)
		}
	}
	return rules
}

var addresses = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// others are the rules that are neither ours nor the local table's, and on which side of
// the local table's each stands.
func others(rules []dataplane.Rule) []string {
	var out []string
	side := "before"
	for _, r := range rules {
		switch {
		case isLocal(r):
			side = "behind"
		case r.Goto == 0 && r.Type == "":
			out = append(out, fmt.Sprint(side, r))
		}
	}
	return out
}

func same(t *rapid.T, want, got []dataplane.Rule) {
	t.Helper()
	want = slices.Clone(want)
	for i := range want { // a rule 0 that was put back by hand becomes the kernel's
		if isLocal(want[i]) && want[i].Priority == 0 && isLocal(got[i]) {
			want[i].Protocol = got[i].Protocol
		}
	}
	if diff := cmp.Diff(want, got, addresses); diff != "" {
		t.Fatalf("not as before: %s", diff)
	}
}
