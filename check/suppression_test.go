// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whohas/check"
	"whohas/dataplane"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/testkit/randcluster"
	"whohas/testkit/scenario"
)

func TestParseAllows(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []rule.Suppression
	}{
		"empty":              {"", nil},
		"only marks":         {" ; \n{}, []- \r\n", nil},
		"rule alone":         {"WH101", []rule.Suppression{{Rule: "WH101"}}},
		"by name":            {"external-ip-is-node reason=lab", []rule.Suppression{{Rule: "external-ip-is-node", Reason: "lab"}}},
		"as documented":      {"WH101 until=2026-12-31 reason=lab cluster, nobody depends on it", []rule.Suppression{{Rule: "WH101", Until: "2026-12-31", Reason: "lab cluster, nobody depends on it"}}},
		"all keys":           {"rule=WH202, reason=both are mine", []rule.Suppression{{Rule: "WH202", Reason: "both are mine"}}},
		"any order":          {"until=2026-12-31 reason=why rule=WH101", []rule.Suppression{{Rule: "WH101", Until: "2026-12-31", Reason: "why"}}},
		"colons":             {"WH101 until: 2026-12-31 reason: a: b", []rule.Suppression{{Rule: "WH101", Until: "2026-12-31", Reason: "a: b"}}},
		"two entries":        {"WH101 reason=a; WH102 reason=b", []rule.Suppression{{Rule: "WH101", Reason: "a"}, {Rule: "WH102", Reason: "b"}}},
		"two lines":          {"WH101 reason=a\nWH102 reason=b\n", []rule.Suppression{{Rule: "WH101", Reason: "a"}, {Rule: "WH102", Reason: "b"}}},
		"windows lines":      {"WH101 reason=a\r\nWH102\r\n", []rule.Suppression{{Rule: "WH101", Reason: "a"}, {Rule: "WH102"}}},
		"no rule":            {"reason=forgot it", []rule.Suppression{{Reason: "forgot it"}}},
		"a flow map":         {"{rule: WH101, reason: 'it is ours, all of it', until: 2026-12-31}", []rule.Suppression{{Rule: "WH101", Reason: "it is ours, all of it", Until: "2026-12-31"}}},
		"a flow list":        {"[{rule: WH101, reason: a}, {rule: WH102, reason: b}]", []rule.Suppression{{Rule: "WH101", Reason: "a"}, {Rule: "WH102", Reason: "b"}}},
		"json":               {`{"rule":"WH101","reason":"a","until":"2026-12-31"}`, []rule.Suppression{{Rule: "WH101", Reason: "a", Until: "2026-12-31"}}},
		"json list":          {`[{"rule":"WH101","reason":"a"},{"rule":"WH102","reason":"b"}]`, []rule.Suppression{{Rule: "WH101", Reason: "a"}, {Rule: "WH102", Reason: "b"}}},
		"json on lines":      {"[\n  {\n    \"rule\": \"WH101\",\n    \"reason\": \"a\"\n  },\n  {\n    \"rule\": \"WH102\"\n  }\n]\n", []rule.Suppression{{Rule: "WH101", Reason: "a"}, {Rule: "WH102"}}},
		"a map on lines":     {"rule: WH101\nreason: lab\nuntil: 2026-12-31\n", []rule.Suppression{{Rule: "WH101", Reason: "lab", Until: "2026-12-31"}}},
		"reason first":       {"reason: lab\nrule: WH101\n", []rule.Suppression{{Rule: "WH101", Reason: "lab"}}},
		"a list on lines":    {"- rule: WH101\n  reason: a\n- rule: WH102\n  until: 2026-12-31\n  reason: b\n", []rule.Suppression{{Rule: "WH101", Reason: "a"}, {Rule: "WH102", Until: "2026-12-31", Reason: "b"}}},
		"a line without":     {"WH101\nWH102 reason=b", []rule.Suppression{{Rule: "WH101"}, {Rule: "WH102", Reason: "b"}}},
		"a key in a reason":  {"WH101 reason=as a rule: never, for no reason: none", []rule.Suppression{{Rule: "WH101", Reason: "as a rule: never, for no reason: none"}}},
		"a word like a key":  {"WH101 reason=unruled, untiled", []rule.Suppression{{Rule: "WH101", Reason: "unruled, untiled"}}},
		"rules are not read": {"no such rule", []rule.Suppression{{Rule: "no such rule"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, check.ParseSuppressions(tt.text)); diff != "" {
				t.Errorf("ParseAllows(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

// FuzzParseAllows: whatever stands in an annotation, each entry says something,
// in words of the text, and one that gives no reason or no rule never counts.
func FuzzParseAllows(f *testing.F) {
	for _, seed := range []string{"WH101 until=2026-12-31 reason=lab", "- rule: a\n  reason: b", `[{"rule":"a","reason":"b"},{"rule":"c"}]`, "rule=;reason=", "reason=rule=until="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, a := range check.ParseSuppressions(text) {
			if a == (rule.Suppression{}) {
				t.Errorf("%q: an empty entry", text)
			}
			for _, word := range []string{a.Rule, a.Reason, a.Until} {
				if strings.Trim(word, " \t\r\n,\"'{}[]") != word || !strings.Contains(strings.ReplaceAll(text, "},", "};"), word) {
					t.Errorf("%q: %q is not a part of it", text, word)
				}
			}
			if fault := a.Fault(time.Time{}); (a.Rule == "" || a.Reason == "") && fault == "" {
				t.Errorf("%q: %+v counts", text, a)
			}
		}
	})
}

func TestFault(t *testing.T) {
	at := func(text string) time.Time {
		now, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	for name, tt := range map[string]struct {
		allow rule.Suppression
		now   time.Time
		want  string
	}{
		"counts":           {rule.Suppression{Rule: "WH101", Reason: "lab"}, at("2026-01-01T00:00:00Z"), ""},
		"no rule":          {rule.Suppression{Reason: "lab"}, at("2026-01-01T00:00:00Z"), "names no rule"},
		"no reason":        {rule.Suppression{Rule: "WH101", Until: "2027-01-01"}, at("2026-01-01T00:00:00Z"), "gives no reason"},
		"before the day":   {rule.Suppression{Rule: "WH101", Reason: "lab", Until: "2026-01-02"}, at("2026-01-01T00:00:00Z"), ""},
		"on the last day":  {rule.Suppression{Rule: "WH101", Reason: "lab", Until: "2026-01-01"}, at("2026-01-01T23:59:59Z"), ""},
		"the day after":    {rule.Suppression{Rule: "WH101", Reason: "lab", Until: "2026-01-01"}, at("2026-01-02T00:00:00Z"), "expired on 2026-01-01"},
		"before the time":  {rule.Suppression{Rule: "WH101", Reason: "lab", Until: "2026-01-01T12:00:00Z"}, at("2026-01-01T11:59:59Z"), ""},
		"at the time":      {rule.Suppression{Rule: "WH101", Reason: "lab", Until: "2026-01-01T12:00:00Z"}, at("2026-01-01T12:00:00Z"), "expired on 2026-01-01T12:00:00Z"},
		"another zone":     {rule.Suppression{Rule: "WH101", Reason: "lab", Until: "2026-01-01T12:00:00+02:00"}, at("2026-01-01T10:00:00Z"), "expired on 2026-01-01T12:00:00+02:00"},
		"no date":          {rule.Suppression{Rule: "WH101", Reason: "lab", Until: "31.12.2026"}, at("2026-01-01T00:00:00Z"), "has a date that is not like 2026-12-31: 31.12.2026"},
		"no such day":      {rule.Suppression{Rule: "WH101", Reason: "lab", Until: "2026-02-30"}, at("2026-01-01T00:00:00Z"), "has a date that is not like 2026-12-31: 2026-02-30"},
		"a day of no time": {rule.Suppression{Rule: "WH101", Reason: "lab", Until: "2026-12-31 "}, at("2026-01-01T00:00:00Z"), "has a date that is not like 2026-12-31: 2026-12-31 "},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.allow.Fault(tt.now); got != tt.want {
				t.Errorf("Fault = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestConfigurationAllows: a permission of the configuration covers a finding
// alone, where its place covers the finding's.
func TestConfigurationAllows(t *testing.T) {
	w := randcluster.Cluster{Mode: dataplane.IPVS, Objects: []randcluster.Object{
		{Kind: "Node", Name: "n1", Claims: []randcluster.Claim{{Field: "InternalIP", Text: "10.0.0.1"}}},
		{Kind: "Service", Name: "a", Traits: map[string]string{"ports": "80/TCP", "namespace": "default"}, Claims: []randcluster.Claim{{Field: "externalIP", Text: "10.0.0.1"}}},
		{Kind: "Service", Name: "b", Traits: map[string]string{"ports": "443/TCP", "namespace": "default"}, Claims: []randcluster.Claim{{Field: "externalIP", Text: "10.0.0.1"}}},
	}}
	const found = "WH101 critical 10.0.0.1 | Node n1, Service default/a, Service default/b"
	const stale = "WH902 warning - |"
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		allow rule.Suppression
		want  []string
	}{
		"by id":            {rule.Suppression{Rule: "WH101", Reason: "lab"}, nil},
		"by name":          {rule.Suppression{Rule: "external-ip-is-node", Reason: "lab"}, nil},
		"the address":      {rule.Suppression{Rule: "WH101", Reason: "lab", Place: "10.0.0.1"}, nil},
		"a range":          {rule.Suppression{Rule: "WH101", Reason: "lab", Place: "10.0.0.0/24"}, nil},
		"another form":     {rule.Suppression{Rule: "WH101", Reason: "lab", Place: "::ffff:10.0.0.1"}, nil},
		"another address":  {rule.Suppression{Rule: "WH101", Reason: "lab", Place: "10.0.0.2"}, []string{found, stale}},
		"another rule":     {rule.Suppression{Rule: "WH102", Reason: "lab"}, []string{found, stale}},
		"no reason":        {rule.Suppression{Rule: "WH101"}, []string{found, stale}},
		"expired":          {rule.Suppression{Rule: "WH101", Reason: "lab", Until: "2025-12-31"}, []string{found, stale}},
		"one object":       {rule.Suppression{Rule: "WH101", Reason: "lab", Object: service("a")}, []string{found}},
		"the owner's":      {rule.Suppression{Rule: "WH101", Reason: "lab", Object: snapshot.Ref{Kind: "Node", Name: "n1"}}, []string{found, stale + " Node n1"}},
		"nobody concerned": {rule.Suppression{Rule: "WH101", Reason: "lab", Object: service("c")}, []string{found, stale + " Service default/c"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := w.Input(t)
			res := check.Finish(in, check.Run(in), []rule.Suppression{tt.allow}, now)
			if diff := cmp.Diff(tt.want, scenario.Summaries(res.Findings)); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if want := len(tt.want) == 0; (len(res.Suppressed) == 1) != want {
				t.Errorf("%d findings allowed", len(res.Suppressed))
			}
		})
	}
}

func service(name string) snapshot.Ref {
	return snapshot.Ref{Kind: "Service", Namespace: "default", Name: name}
}

// TestAllowedCause: a symptom is not hidden behind a cause that is not shown.
func TestAllowedCause(t *testing.T) {
	in := randcluster.Cluster{}.Input(t)
	cause, symptom := rules.VIPIsClusterIP, rules.VIPInServiceCIDR
	run := check.Result{
		Findings: []rule.Finding{finding(cause, rule.Critical, "10.0.0.1", "a", "b")},
		Hidden:   []rule.Finding{finding(symptom, rule.Error, "10.0.0.1", "a", "c")},
	}
	shown := check.Finish(in, run, nil, time.Time{})
	allowed := check.Finish(in, run, []rule.Suppression{{Rule: cause.ID, Reason: "lab"}}, time.Time{})
	if !slices.Equal(scenario.Summaries(shown.Findings), scenario.Summaries(run.Findings)) || len(shown.Hidden) != 1 {
		t.Errorf("without a permission: %q", scenario.Summaries(shown.Findings))
	}
	if !slices.Equal(scenario.Summaries(allowed.Findings), scenario.Summaries(run.Hidden)) || len(allowed.Hidden) != 0 {
		t.Errorf("with a permission for the cause: %q", scenario.Summaries(allowed.Findings))
	}
}
