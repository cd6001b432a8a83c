// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"strings"
	"testing"
	"time"

	"whohas/check"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/testkit/randcluster"
)

// TestUnread: what could not be read is a finding, which names the rules that
// need it; what is read, absent or a template is none.
func TestUnread(t *testing.T) {
	for name, tt := range map[string]struct {
		coverage snapshot.Coverage
		want     []string // in the title; none: no finding
	}{
		"denied":     {snapshot.Coverage{Source: "nodes", Status: snapshot.StatusDenied, Detail: "forbidden"}, []string{"nodes: denied (forbidden)", "WH101", "WH102", "WH104"}},
		"partial":    {snapshot.Coverage{Source: "services", Status: snapshot.StatusPartial}, []string{"services: partial", "WH203"}},
		"a file":     {snapshot.Coverage{Source: "a.yaml", Status: snapshot.StatusUnreadable, Line: 7, Failed: true}, []string{"a.yaml:7: unreadable"}},
		"a template": {snapshot.Coverage{Source: "a.yaml", Status: snapshot.StatusUnreadable, Line: 7}, nil},
		"read":       {snapshot.Coverage{Source: "nodes", Status: snapshot.StatusRead, Count: 3}, nil},
		"absent":     {snapshot.Coverage{Source: "nodes", Status: snapshot.StatusAbsent}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			in := randcluster.Cluster{}.Input(t)
			in.Coverage = []snapshot.Coverage{tt.coverage}
			res := check.Finish(in, check.Run(in), nil, time.Time{})
			if tt.want == nil {
				if len(res.Findings) > 0 {
					t.Fatalf("found: %q", res.Findings[0].Title)
				}
				return
			}
			if len(res.Findings) != 1 || res.Findings[0].Rule != rules.NotRead || res.Findings[0].Severity != rule.Warning {
				t.Fatalf("findings: %+v", res.Findings)
			}
			for _, want := range tt.want {
				if !strings.Contains(res.Findings[0].Title, want) {
					t.Errorf("%q does not say %q", res.Findings[0].Title, want)
				}
			}
		})
	}
}

// TestUnsure: a rule that could not tell is a finding too.
func TestUnsure(t *testing.T) {
	ask := rule.Rule{ID: "WH999", On: rule.OnCluster, Check: func(p *rule.Pass) { p.Inconclusively("every Node") }}
	in := randcluster.Cluster{}.Input(t)
	in.Rules = []*rule.Rule{rules.NotRead}
	res := check.Result{Inconclusive: []rule.Inconclusive{{Rule: &ask, Need: "every Node"}}}
	res = check.Finish(in, res, nil, time.Time{})
	if len(res.Findings) != 1 || !strings.Contains(res.Findings[0].Title, "WH999 could not tell: it needs every Node") {
		t.Errorf("findings: %+v", res.Findings)
	}
}
