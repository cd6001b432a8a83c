// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"regexp"
	"strings"
	"testing"

	"whohas/report"
	"whohas/rule"
	"whohas/snapshot"
)

// annotation is the form that the runner reads (actions/runner ActionCommand.cs).
var annotation = regexp.MustCompile(`^::(error|warning|notice) ((?:file|line|title)=[^:,]+(?:,(?:file|line|title)=[^:,]+)*)::(.+)$`)

func TestGitHub(t *testing.T) {
	for name, r := range reports(t) {
		t.Run(name, func(t *testing.T) {
			got := written(t, report.GitHub, r)
			if kept(name) {
				golden(t, name+".github.txt", got)
			}
			if n := strings.Count(got, "\n"); n != len(r.Findings) {
				t.Errorf("%d lines for %d findings", n, len(r.Findings))
			}
			for line := range strings.Lines(got) {
				if !annotation.MatchString(strings.TrimSuffix(line, "\n")) {
					t.Errorf("no workflow command: %s", line)
				}
			}
		})
	}
}

// TestGitHubEscapes: nothing in a manifest can begin another command or property.
func TestGitHubEscapes(t *testing.T) {
	r := kernel()
	f := &r.Findings[0]
	f.Title = "100%\n::error::x\r\ny"
	f.Claimants[0].Origin = snapshot.Origin{File: "a,b:c%d\n::error::x.yaml", Line: 3}
	got := written(t, report.GitHub, r)
	first, rest, _ := strings.Cut(got, "::100%25")
	if want := "::error file=a%2Cb%3Ac%25d%0A%3A%3Aerror%3A%3Ax.yaml,line=3,title=WH110 stolen-address"; first != want {
		t.Errorf("properties:\n got %s\nwant %s", first, want)
	}
	if want := "\ufffd: :error::x\ufffd\ufffdy%0A"; !strings.HasPrefix(rest, want) || strings.Count(got, "\n") != 1 || strings.Contains(got, "\r") {
		t.Errorf("message: %s", rest)
	}
}

// TestGitHubPlaces: a finding goes to the first intruder that is in a file.
func TestGitHubPlaces(t *testing.T) {
	for _, tt := range []struct {
		origin snapshot.Origin
		want   string
	}{
		{snapshot.Origin{File: "a/b.yaml", Line: 7}, "::error file=a/b.yaml,line=7,title="},
		{snapshot.Origin{File: "base/kustomized.yaml"}, "::error file=base/kustomized.yaml,title="},
		{snapshot.Origin{File: "-", Line: 7}, "::error title="},
		{snapshot.Origin{File: "https://example.com/x.yaml", Line: 7}, "::error title="},
		{snapshot.Origin{Field: "spec.externalIPs[0]"}, "::error title="},
		{snapshot.Origin{Host: "cdev02", Table: "kube-ipvs0"}, "::error title="},
	} {
		r := kernel()
		r.Findings[0].Claimants[0].Origin = tt.origin
		r.Findings[0].Claimants[1].Origin.File = "owner.yaml" // never the owner's
		if got := written(t, report.GitHub, r); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%v: %s", tt.origin, got)
		}
	}
}

func TestGitHubLimit(t *testing.T) {
	const said = "\nwhohas: 11 warning findings; GitHub shows the first 10 of each type, this log has all\n"
	for n, want := range map[int]bool{10: false, 11: true} {
		if got := written(t, report.GitHub, full(n, rule.Warning)); strings.HasSuffix(got, said) != want || strings.Contains(got, "\nwhohas: ") != want {
			t.Errorf("%d findings: says what is not shown: %v", n, !want)
		}
	}
	for severity, want := range map[rule.Severity]string{rule.Critical: "error", rule.Error: "error", rule.Warning: "warning", rule.Info: "notice"} {
		if got := written(t, report.GitHub, full(1, severity)); !strings.HasPrefix(got, "::"+want+" ") {
			t.Errorf("%s: %s", severity, got)
		}
	}
}
