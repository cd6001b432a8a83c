// SPDX-License-Identifier: Apache-2.0

package rules_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/dataplane"
	"whohas/rule"
	"whohas/rules"
	"whohas/testkit/scenario"
)

// allModes are the proxies under which a scenario may say what is found.
var allModes = []dataplane.ProxyMode{"", dataplane.IPVS, dataplane.IPTables, dataplane.NFTables, dataplane.EBPF}

// TestScenarios runs every scenario: what is found, in every mode that it speaks
// of, and that each fix silences its finding.
func TestScenarios(t *testing.T) {
	for _, path := range scenarios(t, "testdata/*/*.txtar") {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".txtar"), func(t *testing.T) {
			s, err := scenario.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Want) == 0 || strings.TrimSpace(s.Header) == "" {
				t.Fatal("a scenario needs a header and a section want")
			}
			for _, mode := range allModes {
				if want, ok := s.Want[mode]; ok {
					runMode(t, s, mode, want)
				}
			}
		})
	}
}

func runMode(t *testing.T, s *scenario.Scenario, mode dataplane.ProxyMode, want []string) {
	t.Helper()
	set := mode
	if mode == "" {
		set = s.Mode
	}
	res := s.CheckAs(s.Snapshot, set, rules.All())
	if diff := cmp.Diff(want, scenario.Summaries(res.Findings)); diff != "" {
		t.Errorf("mode %q: findings (-want +got):\n%s", mode, diff)
	}
	for i := range res.Findings {
		testFix(t, s, set, &res.Findings[i])
	}
}

// testFix applies what a finding advises and asks again.
func testFix(t *testing.T, s *scenario.Scenario, mode dataplane.ProxyMode, f *rule.Finding) {
	t.Helper()
	for _, fix := range f.Chain.Fixes {
		edits := fix.Edits()
		if len(edits) == 0 {
			continue
		}
		after, err := s.Snapshot.Apply(edits...)
		if err != nil {
			t.Errorf("%s: apply fix: %v", scenario.Summary(f), err)
			continue
		}
		for _, left := range s.CheckAs(after, mode, rules.All()).Findings {
			if left.Rule == f.Rule && left.Range.Overlaps(f.Range) {
				t.Errorf("%s: the fix leaves %s", scenario.Summary(f), scenario.Summary(&left))
			}
		}
	}
}

// TestEveryRule refuses a rule without its documentation, and one without a
// scenario in which it fires, one in which it stays quiet, and, if it advises an
// edit, one in which the edit silences it.
func TestEveryRule(t *testing.T) {
	ids, names := map[string]bool{}, map[string]bool{}
	for _, r := range rules.All() {
		t.Run(r.ID, func(t *testing.T) {
			if ids[r.ID] || names[r.Name] {
				t.Errorf("%s %s: taken already", r.ID, r.Name)
			}
			ids[r.ID], names[r.Name] = true, true
			for field, text := range map[string]string{"Problem": r.Doc.Problem, "Effect": r.Doc.Effect, "Why": r.Doc.Why, "Fix": r.Doc.Fix, "Since": r.Doc.Since} {
				if strings.TrimSpace(text) == "" {
					t.Errorf("Doc.%s is empty", field)
				}
			}
			if (r.Policy.Refuses == rule.RefusesNothing) == (r.Policy.None == "") {
				t.Error("Policy: what an admission policy refuses of it, or why nothing; one of both")
			}
			if len(r.Doc.Refs) == 0 {
				t.Error("Doc.Refs is empty")
			}
			fires, quiet := firesAndQuiet(t, r)
			if fires == 0 || quiet == 0 {
				t.Errorf("testdata/%s: %d scenarios in which it fires, %d in which it stays quiet; both are needed", r.ID, fires, quiet)
			}
		})
	}
}

func firesAndQuiet(t *testing.T, r *rule.Rule) (fires, quiet int) {
	t.Helper()
	for _, path := range scenarios(t, filepath.Join("testdata", r.ID, "*.txtar")) {
		s, err := scenario.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		hit := false
		for _, want := range s.Want {
			for _, line := range want {
				hit = hit || strings.HasPrefix(line, r.ID+" ")
			}
		}
		if hit {
			fires++
		} else {
			quiet++
		}
	}
	return fires, quiet
}

func scenarios(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		if _, err := os.Stat("testdata"); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}
