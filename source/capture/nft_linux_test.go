// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"whohas/source/capture"
	"whohas/source/host"
)

const kubeProxy = `table ip kube-proxy {
	comment "rules for kube-proxy"
	set cluster-ips { type ipv4_addr; comment "Active ClusterIPs"; elements = { 10.43.0.1, 10.43.0.10 }; }
	set nets { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1-192.0.2.9 }; }
	chain mark-for-masquerade { counter; }
	chain endpoint-MIBO4EMV-default/kubernetes/tcp/https__10.34.4.142/6443 {
		ip saddr 10.34.4.142 jump mark-for-masquerade
		meta l4proto tcp dnat to 10.34.4.142:6443
	}
	chain service-2QRHZV4L-default/kubernetes/tcp/https {
		ip daddr 10.43.0.1 tcp dport 443 ip saddr != 10.42.0.0/16 jump mark-for-masquerade
		numgen random mod 2 vmap { 0 : goto endpoint-MIBO4EMV-default/kubernetes/tcp/https__10.34.4.142/6443, 1 : drop }
	}
	map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.43.0.1 . tcp . 443 : goto service-2QRHZV4L-default/kubernetes/tcp/https }; }
	map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.43.0.9 . tcp . 53 comment "a/b:c" : drop }; }
	chain services {
		ip daddr . meta l4proto . th dport vmap @service-ips
		ip daddr { 192.0.2.5, 198.51.100.0/24 } tcp dport { 80, 90-99 } drop comment "x y, z"
		iifname "lo" return
	}
	chain nat-prerouting { type nat hook prerouting priority dstnat; policy accept; jump services; }
	chain late { type filter hook forward priority filter + 10; policy drop; ip saddr @nets accept; }
	chain cluster-ips-check {
		ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
		ip daddr 10.43.0.0/16 drop comment "Drop traffic to unallocated ClusterIPs"
	}
}
table ip6 kube-proxy {
	map service-ips { type ipv6_addr . inet_proto . inet_service : verdict; elements = { 2001:db8::1 . tcp . 443 : goto check }; }
	chain check {
		ip6 daddr 2001:db8::/64 reject
		ip6 saddr fd00::1 meta l4proto tcp dnat to [fd00::9]:6443
	}
}
`

// TestRulesetText: the text of nft list ruleset is what nft -j shows.
func TestRulesetText(t *testing.T) {
	need(t, "nft")
	file := filepath.Join(t.TempDir(), "rules.nft")
	if err := os.WriteFile(file, []byte(kubeProxy), 0o600); err != nil {
		t.Fatal(err)
	}
	inside(t, func() {
		if out, err := exec.Command("nft", "-f", file).CombinedOutput(); err != nil {
			t.Logf("NOT RUN: nft: %v\n%s", err, out)
			return
		}
		want := read(only(host.NFTables))
		for _, command := range []string{"nft list ruleset", "nft -a list ruleset", "nft -j list ruleset"} {
			text := captured(t, command)
			got, coverage := parse(t, text)
			same(t, command, want.Tables, got.Tables)
			whole(t, coverage, capture.NFTables)
			if t.Failed() {
				t.Logf("%s", text)
				return
			}
		}
		// A rule that has no meaning here is coverage, and the others stay.
		do(t, "nft add rule ip kube-proxy services ct state new drop")
		got, coverage := parse(t, captured(t, "nft list ruleset"))
		if c := coverage[capture.NFTables]; c.Complete || !strings.Contains(c.Detail, "1 line not understood") || len(got.Tables) != 2 {
			t.Errorf("%+v", c)
		}
	})
}
