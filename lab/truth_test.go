// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whohas/check"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/bundle"
)

// snapshotOf reads a snapshot of the record.
func snapshotOf(t *testing.T, file string) *snapshot.Snapshot {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("not on record: %v", err)
	}
	var into snapshot.Builder
	if err := bundle.Read(t.Context(), bytes.NewReader(data), file, &into); err != nil {
		t.Fatal(err)
	}
	return into.Snapshot()
}

// judge checks a snapshot of the record as the product does.
func judge(t *testing.T, file string) check.Result {
	t.Helper()
	snap := snapshotOf(t, file)
	facts := cluster.Infer(snap, "", "")
	in := check.Input{View: claimants.View(snap), Facts: facts, Objects: snap, Coverage: snap.Coverage, Rules: rules.All()}
	return check.Finish(in, check.Run(in), check.ObjectSuppressions(snap), time.Now())
}

// holders are the hosts on which a snapshot shows the stolen address, its owner
// left out.
func holders(t *testing.T, file string) []string {
	t.Helper()
	var names []string
	for _, h := range snapshotOf(t, file).Hosts {
		for _, a := range h.Addresses {
			if a.Prefix.Addr().String() == stolen && h.Name != "cdev01" {
				names = append(names, h.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// TestTheft: while the address is stolen check finds it, has seen it, and names
// the hosts that hold it, once the Service is to blame and once nobody is left.
func TestTheft(t *testing.T) {
	for _, tt := range []struct{ file, rule, part, note, fix string }{
		{"incident-1.25/during", "WH101", "Service demo/tomcat", "removing the claim alone does not heal", "take the claim away where the API is still reached"},
		{"incident-1.36/during", "WH101", "Service demo/tomcat", "removing the claim alone does not heal", "take the claim away where the API is still reached"},
		{"incident-1.25/naive", "WH110", "Host cdev02, Host cdev03", "no object claims the address any more, and that was not enough", "the claim is gone already: a routing rule on every host that holds it"},
		{"stolen-address/stolen", "WH110", "Host cdev02", "not all Services were read", "first a routing rule on every host that holds it, then the claim"},
		{"incident-1.36/naive", "WH110", "Host cdev02, Host cdev03", "no object claims the address any more, and that was not enough", "the claim is gone already: a routing rule on every host that holds it"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			file := filepath.Join("recorded", tt.file+".snapshot")
			findings := judge(t, file).Findings
			if len(findings) != 1 || findings[0].Rule.ID != tt.rule || findings[0].Severity != rule.Critical {
				t.Fatalf("found %s, want one critical %s", ids(findings), tt.rule)
			}
			f := findings[0]
			if got := intruders(f); got != tt.part {
				t.Errorf("blames %s, want %s", got, tt.part)
			}
			testSeen(t, f.Chain, holders(t, file))
			if !slices.ContainsFunc(f.Chain.Notes, func(l explain.Link) bool { return strings.HasPrefix(l.Text, tt.note) }) {
				t.Errorf("no note %q among %+v", tt.note, f.Chain.Notes)
			}
			if !slices.ContainsFunc(f.Chain.Fixes, func(x explain.Fix) bool { return strings.HasPrefix(x.Text, tt.fix) }) {
				t.Errorf("no fix %q among %+v", tt.fix, f.Chain.Fixes)
			}
		})
	}
}

// testSeen: all that is told is observed, and of the hosts that hold the address.
func testSeen(t *testing.T, c explain.Chain, want []string) {
	t.Helper()
	if len(want) == 0 {
		t.Fatal("no host holds the address")
	}
	for _, l := range c.Impacts {
		if l.Certainty != explain.Observed {
			t.Errorf("%q is %s", l.Text, l.Certainty)
		}
		for _, e := range l.Effects {
			hosts := e.From
			if slices.Equal(hosts, []string{"cdev01"}) {
				hosts = e.To
			}
			if diff := cmp.Diff(want, hosts); diff != "" {
				t.Errorf("%q: hosts of %s (-want +got):\n%s", l.Text, e.Flow, diff)
			}
		}
	}
	if diff := cmp.Diff(want, c.Impacts[0].Nodes); diff != "" {
		t.Errorf("%q: hosts (-want +got):\n%s", c.Impacts[0].Text, diff)
	}
}

// TestPassedOver: while a routing rule leads past the stolen address, check tells so of
// each host that has it, and nothing once it is over.
func TestPassedOver(t *testing.T) {
	findings := judge(t, "recorded/cure-by-rule-1.36/ruled.snapshot").Findings
	want := "192.168.10.114 is on kube-ipvs0, and a routing rule leads past it"
	if len(findings) != 1 || len(findings[0].Chain.Impacts) != 1 || !strings.Contains(findings[0].Chain.Impacts[0].Text, want) {
		t.Errorf("found %s, want one, which loses no more than: %s", ids(findings), want)
	}
	if findings := judge(t, "recorded/cure-by-rule-1.36/undone.snapshot").Findings; len(findings) > 0 {
		t.Errorf("found %s when it is over", ids(findings))
	}
}

// TestHostBeside: a host beside the cluster is no Node, and not called one.
func TestHostBeside(t *testing.T) {
	findings := judge(t, "recorded/dns-address/during.snapshot").Findings
	want := "192.168.10.53 belongs to host dns, and Service demo/tomcat claims it as externalIP"
	if len(findings) != 1 || findings[0].Title != want {
		t.Errorf("found %s, want %s", ids(findings), want)
	}
}

// TestPortTaken: in the other modes check tells what the Service's port takes, and
// that it is critical when the apiserver is there.
func TestPortTaken(t *testing.T) {
	for _, name := range []string{"iptables-1.25", "iptables-1.36", "nftables-1.36"} {
		for file, want := range map[string]rule.Severity{"port-80": rule.Warning, "port-6443": rule.Critical} {
			t.Run(name+"/"+file, func(t *testing.T) {
				findings := judge(t, filepath.Join("recorded", name, file+".snapshot")).Findings
				if len(findings) != 1 || findings[0].Rule.ID != "WH101" || findings[0].Severity != want {
					t.Errorf("found %s, want one WH101, %s", ids(findings), want)
				}
			})
		}
	}
}

// TestNoFalseAlarm: where all is well, or well again, nobody is blamed for taking
// an address.
func TestNoFalseAlarm(t *testing.T) {
	files := []string{"recorded/incident-1.25/healed.snapshot", "recorded/incident-1.36/healed.snapshot"}
	for _, pattern := range []string{"recorded/healthy-*/*.snapshot", "recorded/vip-moves/*.snapshot", "recorded/announcer-moves/*.snapshot"} {
		more, err := filepath.Glob(pattern)
		if err != nil || len(more) == 0 {
			t.Errorf("%s: nothing is on record", pattern)
		}
		files = append(files, more...)
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, "recorded/"), func(t *testing.T) {
			res := judge(t, file)
			for _, f := range slices.Concat(res.Findings, res.Hidden) {
				if slices.Contains([]string{"WH101", "WH110", "WH111", "WH113"}, f.Rule.ID) {
					t.Errorf("%s %s", f.Rule.ID, f.Title)
				}
			}
		})
	}
}

func ids(findings []rule.Finding) string {
	var all []string
	for _, f := range findings {
		all = append(all, f.Rule.ID+" "+f.Severity.String()+" "+f.Title)
	}
	return strings.Join(all, "; ")
}

func intruders(f rule.Finding) string {
	var all []string
	for _, c := range f.Claimants {
		if name := c.By.String(); c.Part == rule.Intruder && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
