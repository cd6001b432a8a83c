// SPDX-License-Identifier: Apache-2.0

package diagnose_test

import (
	"testing"

	"whohas/claim"
	"whohas/dataplane"
	"whohas/diagnose"
	"whohas/rule"
	"whohas/rules"
)

// TestObjectsAlone: what objects say is a cause only where a kernel bears it out, and
// of the rules about taken addresses only.
func TestObjectsAlone(t *testing.T) {
	own := addr("192.168.10.115")
	served := []dataplane.VirtualServer{{Proto: "TCP", IP: own, Port: 80}}
	for _, c := range []struct {
		name    string
		rule    *rule.Rule
		servers []dataplane.VirtualServer
		want    string
	}{
		{"nothing in the kernel", rules.ExternalIPIsNode, nil, "healthy"},
		{"this host's IPVS serves it", rules.ExternalIPIsNode, served, "cause WH101 192.168.10.115"},
		{"a pool that could hand it out", rules.PoolContainsNode, served, "healthy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := worker()
			h.Servers = append(h.Servers, c.servers...)
			s := see(h)
			s.Result.Findings = []rule.Finding{{Rule: c.rule, Severity: rule.Critical, Range: claim.Single(own), Title: "taken"}}
			d := diagnose.Run(s)
			if got := verdict(d); got != c.want || d.Cause == nil && len(d.Others) != 1 {
				t.Errorf("verdict %q, want %q; others %d", got, c.want, len(d.Others))
			}
		})
	}
}
