// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/check"
	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/command"
	"whohas/explain"
	"whohas/report"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/testkit/scenario"
)

var update = flag.Bool("update", false, "write the golden files again")

// world is the report of a scenario, as the command line would make it.
func world(t testing.TB, name string) *report.Report {
	t.Helper()
	s, err := scenario.Load(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return of(s)
}

func of(s *scenario.Scenario) *report.Report {
	res := s.Check(rules.All())
	register := claimants.Register(s.Snapshot)
	facts := cluster.Infer(s.Snapshot, s.Mode, "scenario")
	r := &report.Report{
		Tool: "v1.2.3", Findings: res.Findings, Hidden: res.Hidden, Facts: facts, Objects: s.Snapshot.Count(),
		Coverage: check.Coverage(s.Snapshot, register, facts), Addresses: singles(register),
	}
	for _, a := range res.Suppressed {
		r.Suppressed = append(r.Suppressed, report.Suppressed{Finding: a.Finding, Reason: a.By.Reason, Until: a.By.Until, By: a.By.Where()})
	}
	return r
}

func singles(v claim.View) int {
	seen := map[netip.Addr]bool{}
	for c := range v.All() {
		if c.Range.IsSingle() {
			seen[c.Range.From] = true
		}
	}
	return len(seen)
}

// incomplete is a quiet cluster of which much could not be read.
func incomplete(t testing.TB) *report.Report {
	r := world(t, "quiet")
	r.Coverage = append(r.Coverage,
		snapshot.Coverage{Source: "charts/web/templates/svc.yaml", Status: snapshot.StatusUnreadable, Line: 7, Detail: "a template, not YAML"},
		snapshot.Coverage{Source: "broken.yaml", Status: snapshot.StatusUnreadable, Line: 12, Detail: "mapping values are not allowed here", Failed: true},
		snapshot.Coverage{Source: "ipaddresspools.metallb.io", Status: snapshot.StatusDenied, Detail: "may not be listed"},
		snapshot.Coverage{Source: "pods", Status: snapshot.StatusPartial, Count: 500, Detail: "time is up"},
		snapshot.Coverage{Source: "ciliumnodes.cilium.io", Status: snapshot.StatusAbsent, Complete: true, Detail: "not installed"},
		snapshot.Coverage{Source: "gateways", Status: snapshot.StatusAbsent, Complete: true, Detail: "not installed"},
		snapshot.Coverage{Source: "placeholders", Status: snapshot.StatusAbsent, Count: 3, Detail: "addresses that another tool fills in later; they are not checked"},
	)
	r.Findings = append(r.Findings, rule.Finding{
		Rule: ruleNamed(t, "WH901"), Severity: rule.Warning, Title: "ipaddresspools.metallb.io: denied (may not be listed); not run, or on a part only: WH104",
		Chain: explain.Chain{Impacts: []explain.Impact{{Text: "not run, or on a part only: WH104", Certainty: explain.Observed, Evidence: []string{"coverage: ipaddresspools.metallb.io"}}}},
	})
	return r
}

func ruleNamed(t testing.TB, id string) *rule.Rule {
	for _, r := range rules.All() {
		if r.ID == id {
			return r
		}
	}
	t.Fatalf("no rule %s", id)
	return nil
}

// fleet is the incident in a cluster of 5,000 nodes, and a pool that contains
// all of them.
func fleet(t testing.TB) *report.Report {
	var b strings.Builder
	b.WriteString("-- nodes.yaml --\napiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Node\nmetadata:\n  name: node%04d\nstatus:\n  addresses:\n  - type: InternalIP\n    address: 10.16.%d.%d\n", i, i/250, i%250+1)
	}
	b.WriteString("-- svc.yaml --\napiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: default\nspec:\n  ports:\n  - port: 80\n  externalIPs:\n  - 10.16.0.1\n")
	b.WriteString("---\napiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata:\n  name: all\n  namespace: metallb-system\nspec:\n  addresses:\n  - 10.16.0.0/16\n")
	s, err := scenario.Parse("fleet", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return of(s)
}

// kernel is a finding whose intruder is seen in a host's tables.
func kernel() *report.Report {
	owner := snapshot.Ref{Kind: "Node", Name: "cdev01"}
	host := snapshot.Ref{Kind: "Node", Name: "cdev02"}
	at := claim.Single(netip.MustParseAddr("192.168.10.114"))
	f := rule.Finding{
		Rule: &rule.Rule{ID: "WH110", Name: "stolen-address", Severity: rule.Critical}, Severity: rule.Critical, Range: at,
		Title: "cdev02 holds 192.168.10.114 of node cdev01 on kube-ipvs0",
		Claimants: append(
			rule.Claimants(rule.Intruder, claim.Claim{Range: at, Text: "192.168.10.114/32", Kind: "kernel.address", Role: claim.Observed, By: host, Owner: host,
				Origin: snapshot.Origin{Host: "cdev02", Table: "addresses of kube-ipvs0"}}),
			rule.Claimants(rule.Owner, claim.Claim{Range: at, Text: "192.168.10.114", Kind: "node.internalIP", Role: claim.Host, By: owner, Owner: owner,
				Origin: snapshot.Origin{Field: "status.addresses[0].address"}})...),
		Chain: explain.Chain{
			Cause:   explain.Link{Text: "kube-proxy put the address there", Evidence: []string{"ip addr: inet 192.168.10.114/32 scope global kube-ipvs0"}},
			Impacts: []explain.Impact{{Text: "cdev02 talks to itself instead of cdev01", Nodes: []string{"cdev02"}, Lost: []string{"apiserver"}, Certainty: explain.Observed, Evidence: []string{"ip route get 192.168.10.114: local"}}},
			Fixes: []explain.Fix{
				{Text: "keep it off", Steps: []explain.Step{{Where: "cdev02", Text: "delete the address", Command: command.Shell("ip addr del 192.168.10.114/32 dev kube-ipvs0")}}},
				{Text: "or restart the node, once the claim is gone"},
			},
		},
	}
	return &report.Report{Tool: "v1.2.3", Findings: []rule.Finding{f}, Objects: 2, Addresses: 1}
}

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./report -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test ./report -update accepts it):\n%s", name, diff)
	}
}

// kept reports whether a report has golden files in the formats for machines: few,
// because each change of a rule's words changes them.
func kept(name string) bool { return name == "incident" || name == "kernel" || name == "incomplete" }

// written is a report in one format.
func written(t testing.TB, f func(io.Writer, *report.Report) error, r *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
