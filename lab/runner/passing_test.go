// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runner

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/dataplane"
)

// TestPassingFacts: what is there sooner or later is no difference between runs, and all
// else is.
func TestPassingFacts(t *testing.T) {
	var got []string
	tableFacts(dataplane.Table{Backend: "legacy", Family: "ip", Name: "filter", Chains: []dataplane.Chain{
		{Name: "INPUT", Policy: "ACCEPT", Rules: []string{"-j KUBE-FIREWALL"}},
		{Name: "KUBE-FIREWALL", Rules: []string{"-j DROP"}},
		{Name: "OUTPUT", Policy: "ACCEPT", Rules: []string{"-j KUBE-FIREWALL", "-j KUBE-IPVS-OUT-FILTER"}},
		{Name: "cluster-ips-check", Rules: []string{"drop, because: Drop traffic to unallocated ClusterIPs", "reject"}},
		{Name: "FORWARD", Policy: "DROP"},
	}}, func(fact ...any) { got = append(got, fmt.Sprint(fact[0], " ", fact[4:])) })
	want := []string{
		"chain [OUTPUT ACCEPT]", "rule [OUTPUT -j KUBE-IPVS-OUT-FILTER]",
		"chain [cluster-ips-check ]", "rule [cluster-ips-check reject]", "chain [FORWARD DROP]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}
