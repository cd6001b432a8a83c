// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"slices"
	"strings"
	"testing"

	"whohas/explain"
	"whohas/rule"
	"whohas/rules"
	"whohas/testkit/scenario"
)

func found(t *testing.T, path string) []rule.Finding {
	t.Helper()
	s, err := scenario.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	res := s.Check(rules.All())
	return slices.Concat(res.Findings, res.Hidden)
}

func findingOf(t *testing.T, findings []rule.Finding, r *rule.Rule) *rule.Finding {
	t.Helper()
	for i := range findings {
		if findings[i].Rule == r {
			return &findings[i]
		}
	}
	t.Fatalf("no %s", r.ID)
	return nil
}

// TestHostsBearWitness: the finding of the claim gains the hosts that show it, and
// its fingerprint stays what it is without them; what the hosts show is its symptom.
func TestHostsBearWitness(t *testing.T) {
	all := found(t, "testdata/WH110/quiet-explained.txtar")
	f := findingOf(t, all, rules.ExternalIPIsNode)
	var witnesses []string
	for _, c := range f.Claimants {
		if c.Part == rule.Witness && c.Origin.Host != "" {
			witnesses = append(witnesses, c.Origin.Host+" "+c.Origin.Table)
		}
	}
	if want := []string{"cdev01 eth0", "cdev02 kube-ipvs0", "cdev03 kube-ipvs0"}; !slices.Equal(witnesses, want) {
		t.Errorf("witnesses %v, want %v", witnesses, want)
	}
	for _, l := range f.Chain.Impacts {
		if l.Certainty != explain.Observed {
			t.Errorf("%s: %s", l.Certainty, l.Text)
		}
	}
	if owners := strings.Join(f.Owners(), " "); strings.Contains(owners, "cdev02") {
		t.Errorf("the fingerprint depends on who was read: %s", owners)
	}
	s := findingOf(t, all, rules.StolenAddress)
	if got := s.Intruders(); len(got) != 1 || got[0].By.Name != "tomcat" {
		t.Errorf("intruders of the symptom: %+v", got)
	}
}

// TestStolenTells: what a finding about hosts alone must say.
func TestStolenTells(t *testing.T) {
	for path, wants := range map[string][]string{
		"WH110/fires": {
			"that was not enough", "it came through spec.externalIPs", "IPVS leads 192.168.10.114:80 to 10.244.1.7:8080",
			"ping says ok", "ip addr del 192.168.10.114/32 dev kube-ipvs0", "goto 1", "ip neigh flush to 192.168.10.114",
		},
		"WH110/fires-services-not-read": {"not all Services were read", "kubectl get services -A"},
		"WH110/fires-worker":            {"it does not run there, runs in another mode now, or does not reach the apiserver", "no real server"},
		"WH110/fires-filter":            {"every port but the Service's are refused"},
		"WH110/fires-kube-router":       {"goto 1", "dev kube-dummy-if"},
		"WH110/fires-gateway":           {"is reserved (gateway)"},
		"WH110/fires-local-route":       {"ip route del local 192.168.10.114/32 dev lo table 255"},
		"WH110/fires-cluster-ip":        {"a ClusterIP cannot be changed"},
		"WH110/fires-control-plane-vip": {"is the control plane's address"},
		"WH111/fires":                   {"203.0.113.7", "IPVS leads 203.0.113.7:80", "spec.externalIPs"},
		"WH113/fires":                   {"the rules were made for Service demo/tomcat", "--dport 6443"},
		"WH113/fires-kubelet":           {"delete the rule where it is made", "kubelet", "--to-destination 10.244.1.7:443"},
		"WH113/fires-nftables":          {"kube-proxy service-ips", "192.168.10.114"},
		"WH113/fires-virtual-server":    {"192.168.10.114:6443 to 10.244.1.7:8443"},
	} {
		id, _, _ := strings.Cut(path, "/")
		for _, f := range found(t, "testdata/"+path+".txtar") {
			if f.Rule.ID != id {
				continue
			}
			text := said(&f)
			for _, want := range wants {
				if !strings.Contains(text, want) {
					t.Errorf("%s lacks %q in:\n%s", path, want, text)
				}
			}
		}
	}
}

// said is all that a finding says.
func said(f *rule.Finding) string {
	lines := append([]string{f.Title, f.Chain.Cause.Text}, f.Chain.Cause.Evidence...)
	for _, l := range f.Chain.Impacts {
		lines = append(append(lines, l.Text), l.Evidence...)
	}
	for _, n := range f.Chain.Notes {
		lines = append(append(lines, n.Text), n.Evidence...)
	}
	for _, fix := range f.Chain.Fixes {
		lines = append(lines, fix.Text)
		for _, s := range fix.Steps {
			lines = append(lines, s.Where+": "+s.Text, s.Line().String())
		}
	}
	return strings.Join(lines, "\n")
}
