// SPDX-License-Identifier: Apache-2.0

package netfilter_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/dataplane"
	"whohas/dataplane/netfilter"
)

// apart runs a script in a network namespace of its own.
func apart(t *testing.T, script, stdin string) string {
	t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	cmd.Stdin = strings.NewReader(stdin)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, complaint.String())
	}
	return out.String()
}

func needRoot(t *testing.T, tools ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT RUN: a network namespace needs root")
	}
	for _, name := range tools {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("NOT RUN: %v", err)
		}
	}
}

// TestRealIPTables: the kernel takes the rules as Rule writes them, and iptables
// then writes them as they were read.
func TestRealIPTables(t *testing.T) {
	needRoot(t, "iptables-nft-restore", "iptables-nft-save")
	for _, name := range []string{"kube-proxy-1.36.iptables", "kube-proxy-1.20.iptables", "containers.iptables"} {
		t.Run(name, func(t *testing.T) {
			tables := withoutLoops(readSave(t, name))
			want := save(tables)
			for i := range tables {
				for j := range tables[i].Chains {
					for k, text := range tables[i].Chains[j].Rules {
						r, err := netfilter.ParseRule(text)
						if err != nil {
							t.Fatal(err)
						}
						tables[i].Chains[j].Rules[k] = r.String()
					}
				}
			}
			out := apart(t, "iptables-nft-restore; iptables-nft-save -c", save(tables))
			got, err := netfilter.ParseSave(strings.NewReader(out), "legacy", "ip")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(rulesOf(t, want), rulesOf(t, save(got))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// withoutLoops leaves out what no kernel takes.
func withoutLoops(tables []dataplane.Table) []dataplane.Table {
	for i := range tables {
		for j := range tables[i].Chains {
			c := &tables[i].Chains[j]
			if c.Name == "LOOP-B" {
				c.Rules = c.Rules[1:]
			}
		}
	}
	return tables
}

// rulesOf are the rules of each chain, in their order.
func rulesOf(t *testing.T, text string) map[string][]string {
	t.Helper()
	tables, err := netfilter.ParseSave(strings.NewReader(text), "", "")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, table := range tables {
		for _, c := range table.Chains {
			if len(c.Rules) > 0 {
				out[table.Name+" "+c.Name] = c.Rules
			}
		}
	}
	return out
}

// TestRealNFT: what is read of a ruleset is again the ruleset for nft, and reads
// the same again although its counters have counted.
func TestRealNFT(t *testing.T) {
	needRoot(t, "nft", "ip", "ping")
	out := apart(t, `ip link set lo up
nft add table ip t
nft 'add chain ip t out { type nat hook output priority -100 ; policy accept ; }'
nft 'add chain ip t filter { type filter hook output priority 0 ; }'
nft 'add set ip t recent { type ipv4_addr ; flags dynamic,timeout ; timeout 1h ; }'
nft 'add rule ip t filter counter add @recent { ip daddr } comment "counts"'
nft 'add rule ip t out ip daddr 192.0.2.1 tcp dport 80 dnat to 127.0.0.1:8080'
ping -qc1 127.0.0.1 >/dev/null
nft -j list ruleset
echo
ping -qc1 127.0.0.1 >/dev/null
nft -j list ruleset`, "")
	first, second, _ := strings.Cut(strings.TrimSpace(out), "\n")
	if first == strings.TrimSpace(second) {
		t.Error("the counter has not counted: nothing is shown by this test")
	}
	a, err := netfilter.ParseJSON(strings.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	b, err := netfilter.ParseJSON(strings.NewReader(second))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("two readings (-first +second):\n%s", diff)
	}
	if got := netfilter.Frontends(a); len(got) != 1 || tell(got[0]) != "192.0.2.1/32:80/TCP OUTPUT t/out" {
		t.Errorf("frontends %v", got)
	}
}
