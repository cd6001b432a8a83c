// SPDX-License-Identifier: Apache-2.0

package who_test

import (
	"fmt"
	"net/netip"
	"testing"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/rules"
	"whohas/testkit/scenario"
	"whohas/who"
)

const nodes = `-- nodes.yaml --
apiVersion: v1
kind: Node
metadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 192.0.2.11/24}}
status: {addresses: [{type: InternalIP, address: 192.0.2.11}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2, annotations: {projectcalico.org/IPv4Address: 192.0.2.130/26}}
status: {addresses: [{type: InternalIP, address: 192.0.2.130}]}
`

// uses are the ways to take a proposed address.
const uses = `---
apiVersion: v1
kind: Service
metadata: {name: external}
spec: {externalIPs: ["%[1]s"], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: external}
spec: {type: LoadBalancer, loadBalancerIP: "%[1]s", ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: "%[1]s"}]}}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: p, namespace: m}
spec: {addresses: ["%[1]s/%[2]d"]}
`

// TestFreeIsUsable: no rule has anything to say about an address that was proposed.
func TestFreeIsUsable(t *testing.T) {
	for _, text := range []string{"::/0", "0.0.0.0/0", "127.0.0.0/8", "224.0.0.0/4", "0.0.0.0/8", "ff00::/8", "fe80::/10", "255.255.255.255", "240.0.0.0/4",
		"::fffe:ffff:fffe-::1:0:0:5", "169.254.0.0/15", "192.0.2.0/24", "192.0.2.120-192.0.2.200", "192.0.2.191", "192.0.2.255-192.0.3.2", "223.255.255.250-240.0.0.5", "::/127", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:fff0-fec0::5"} {
		in, err := claim.ParseRange(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, ip := range freeIn(t, in) {
			s, err := scenario.Parse("used", fmt.Appendf(nil, nodes+uses+"-- want --\n", ip, ip.BitLen()))
			if err != nil {
				t.Fatal(err)
			}
			s.Mode = dataplane.IPVS
			if res := s.Check(rules.All()); len(res.Findings) > 0 {
				t.Errorf("%s was proposed: %v", ip, scenario.Summaries(res.Findings))
			}
		}
	}
}

func freeIn(t *testing.T, in claim.Range) []netip.Addr {
	s, err := scenario.Parse("free", []byte(nodes+"-- want --\n"))
	if err != nil {
		t.Fatal(err)
	}
	return who.FreeIn(in, 5, claimants.View(s.Snapshot), cluster.Infer(s.Snapshot, dataplane.IPVS, "test")).Addresses
}
