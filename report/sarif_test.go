// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"whohas/explain"
	"whohas/report"
	"whohas/rule"
	"whohas/snapshot"
)

// The standard's schema is read from the source of a module that carries it: it
// is too large to be kept here, and a copy would age. The sum pins its content.
const (
	schemaModule = "github.com/owenrumney/go-sarif/v3@v3.3.1"
	schemaSum    = "h1:bKY8YnWcY8zYTiGVObC5wZLlfEvMkCxK9XMGXBbzEtQ="
	schemaSource = "pkg/report/v210/sarif/schema.go"
)

// TestSARIFSchema validates against the schema of the standard.
func TestSARIFSchema(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the schema may have to be downloaded")
	}
	s := sarifSchema(t)
	all := reports(t)
	all["fleet"] = fleet(t)
	all["full"] = full(25_100, rule.Error)
	for name, r := range all {
		if err := s.Validate(decoded(t, written(t, report.SARIF, r))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for path, value := range map[string]any{"version": "2.2.0", "runs.0.results": "none", "runs.0.invocations.0.executionSuccessful": nil, "runs.0.results.0.misspelt": "x"} {
		if err := s.Validate(changed(t, written(t, report.SARIF, world(t, "many")), path, value)); err == nil {
			t.Errorf("the schema accepts %s = %v", path, value)
		}
	}
}

func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", schemaModule)
	cmd.Dir = t.TempDir() // of no module: ours is left alone
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	var module struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr != nil || module.Error != "" {
		t.Fatalf("download the schema (-short does without): %v, %v %s", err, jsonErr, module.Error)
	}
	if module.Sum != schemaSum {
		t.Fatalf("%s has the sum %s, want %s", schemaModule, module.Sum, schemaSum)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", decoded(t, constant(t, filepath.Join(module.Dir, schemaSource), "schema"))); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// constant is the value of a string constant in a Go file.
func constant(t *testing.T, path, name string) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		spec := gen.Specs[0].(*ast.ValueSpec)
		lit, ok := spec.Values[0].(*ast.BasicLit)
		if !ok || spec.Names[0].Name != name {
			continue
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	t.Fatalf("%s: no constant %s", path, name)
	return ""
}

// log is what the tests read of SARIF.
type log struct {
	Version string
	Runs    []struct {
		Tool struct {
			Driver struct {
				Name, Version string
				Rules         []struct {
					ID, Name, HelpURI                       string
					ShortDescription, FullDescription, Help struct{ Text, Markdown string }
					DefaultConfiguration                    struct{ Level string }
					Properties                              struct{ Tags []string }
				}
			}
		}
		Invocations []struct {
			ExecutionSuccessful        bool
			ToolExecutionNotifications []struct {
				Level          string
				Message        struct{ Text string }
				Descriptor     struct{ ID string }
				AssociatedRule struct {
					ID    string
					Index int
				}
			}
		}
		Results []result
	}
}

type result struct {
	RuleID                      string
	RuleIndex                   int
	Level                       string
	Message                     struct{ Text, Markdown string }
	Locations, RelatedLocations []location
	PartialFingerprints         map[string]string
	Suppressions                []struct{ Kind, Status, Justification string }
}

type location struct {
	ID               int
	PhysicalLocation *struct {
		ArtifactLocation struct{ URI, URIBaseID string }
		Region           *struct{ StartLine int }
	}
	LogicalLocations []struct{ FullyQualifiedName string }
	Message          struct{ Text string }
}

func sarif(t testing.TB, r *report.Report) log {
	t.Helper()
	var l log
	if err := json.Unmarshal([]byte(written(t, report.SARIF, r)), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestSARIF compares with the golden files, and checks what GitHub asks for
// beyond the schema.
func TestSARIF(t *testing.T) {
	for name, r := range reports(t) {
		t.Run(name, func(t *testing.T) {
			if kept(name) {
				golden(t, name+".sarif", written(t, report.SARIF, r))
			}
			l := sarif(t, r)
			run := l.Runs[0]
			if l.Version != "2.1.0" || len(l.Runs) != 1 || run.Tool.Driver.Name != "whohas" || run.Tool.Driver.Version != r.Tool {
				t.Errorf("head: %s, %d runs, %s %s", l.Version, len(l.Runs), run.Tool.Driver.Name, run.Tool.Driver.Version)
			}
			for _, x := range run.Tool.Driver.Rules {
				if x.ID == "" || x.Name == "" || len(x.Properties.Tags) > 20 || len(x.FullDescription.Text) > 1024 {
					t.Errorf("rule %+v", x)
				}
			}
			for _, x := range run.Results {
				if run.Tool.Driver.Rules[x.RuleIndex].ID != x.RuleID {
					t.Errorf("%s has the index of %s", x.RuleID, run.Tool.Driver.Rules[x.RuleIndex].ID)
				}
				if x.Message.Text == "" || x.Message.Markdown == "" || len(x.PartialFingerprints["whohas/v1"]) != 16 || len(x.Locations) == 0 {
					t.Errorf("%s: %+v", x.RuleID, x)
				}
				linked(t, x)
			}
		})
	}
}

// linked checks that every link of a message leads to a related location.
func linked(t *testing.T, x result) {
	t.Helper()
	for i, l := range x.RelatedLocations {
		if l.ID != i+1 {
			t.Errorf("%s: related location %d has the id %d", x.RuleID, i, l.ID)
		}
		if i < 10 && !strings.Contains(x.Message.Text, fmt.Sprintf("](%d)", l.ID)) {
			t.Errorf("%s: nothing links to related location %d: %s", x.RuleID, l.ID, x.Message.Text)
		}
	}
}

func TestSARIFRule(t *testing.T) {
	d := sarif(t, world(t, "incident")).Runs[0].Tool.Driver
	doc := ruleNamed(t, "WH101").Doc
	x := d.Rules[0]
	for _, part := range []string{doc.Problem, doc.Effect, doc.Why, doc.Fix, doc.Refs[0], doc.Refs[1]} {
		if !strings.Contains(x.Help.Text, part) || !strings.Contains(x.Help.Markdown, part) {
			t.Errorf("the help lacks %q", part)
		}
	}
	if x.ShortDescription.Text != doc.Problem || x.HelpURI != doc.Refs[0] || x.DefaultConfiguration.Level != "error" {
		t.Errorf("%+v", x)
	}
}

func TestSARIFPlaces(t *testing.T) {
	for _, tt := range []struct {
		file, uri, base string
		line            int
	}{
		{"svc.yaml", "svc.yaml", "%SRCROOT%", 9},
		{"./a/../b c/svc#1.yaml", "b%20c/svc%231.yaml", "%SRCROOT%", 9},
		{"a:b/ü%.yaml", "a%3Ab/%C3%BC%25.yaml", "%SRCROOT%", 0},
		{"../other/svc.yaml", "../other/svc.yaml", "%SRCROOT%", 1},
		{"/srv/a b.yaml", "file:///srv/a%20b.yaml", "", 9},
		{"https://example.com/a.yaml?x=1", "https://example.com/a.yaml?x=1", "", 9},
		{"-", "", "", 9},
		{"", "", "", 0},
	} {
		r := kernel()
		r.Findings[0].Claimants[0].Origin = snapshot.Origin{File: tt.file, Line: tt.line, Field: "spec.externalIPs[0]"}
		x := sarif(t, r).Runs[0].Results[0].Locations[0]
		if x.LogicalLocations[0].FullyQualifiedName != "Node cdev02" || x.Message.Text != "intruder: Node cdev02 spec.externalIPs[0]" {
			t.Errorf("%q: %+v", tt.file, x)
		}
		if tt.uri == "" {
			if x.PhysicalLocation != nil {
				t.Errorf("%q: %+v", tt.file, x.PhysicalLocation)
			}
			continue
		}
		got := x.PhysicalLocation
		if got == nil || got.ArtifactLocation.URI != tt.uri || got.ArtifactLocation.URIBaseID != tt.base || (got.Region != nil) != (tt.line > 0) {
			t.Errorf("%q: %+v, want %q from %q", tt.file, got, tt.uri, tt.base)
		}
	}
}

// TestSARIFMixed: GitHub refuses a location without a file, so a result that is
// in a file has none.
func TestSARIFMixed(t *testing.T) {
	r := kernel()
	r.Findings[0].Claimants[0].Origin = snapshot.Origin{File: "svc.yaml", Line: 9}
	x := sarif(t, r).Runs[0]
	if len(x.Results[0].RelatedLocations) != 0 || len(x.Invocations[0].ToolExecutionNotifications) != 0 {
		t.Errorf("%+v", x)
	}
	live := sarif(t, kernel()).Runs[0]
	if len(live.Results[0].RelatedLocations) != 1 || live.Results[0].RelatedLocations[0].PhysicalLocation != nil {
		t.Errorf("%+v", live.Results[0])
	}
	if n := live.Invocations[0].ToolExecutionNotifications; len(n) != 1 || n[0].Level != "note" || !strings.HasPrefix(n[0].Message.Text, "1 result of objects that stand in no file") {
		t.Errorf("%+v", n)
	}
}

func TestSARIFCoverage(t *testing.T) {
	x := sarif(t, incomplete(t)).Runs[0]
	if x.Invocations[0].ExecutionSuccessful || len(x.Results) != 0 {
		t.Errorf("successful: %v, %d results", x.Invocations[0].ExecutionSuccessful, len(x.Results))
	}
	var got []string
	for _, n := range x.Invocations[0].ToolExecutionNotifications {
		got = append(got, n.Level+" "+n.Descriptor.ID+n.AssociatedRule.ID)
	}
	want := []string{"warning WH901", "warning coverage/unreadable", "error coverage/unreadable", "warning coverage/denied", "warning coverage/partial", "note coverage/absent"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
}

func TestSARIFSuppressed(t *testing.T) {
	r := kernel()
	for _, by := range []string{"Service demo/tomcat annotation whohas.io/allow", ".whohas.yaml"} {
		r.Suppressed = append(r.Suppressed, report.Suppressed{Finding: r.Findings[0], Reason: "lab", Until: "2026-12-31", By: by})
	}
	x := sarif(t, r).Runs[0].Results
	if len(x) != 3 || len(x[0].Suppressions) != 0 {
		t.Fatalf("%+v", x)
	}
	for i, kind := range []string{"inSource", "external"} {
		if got := x[i+1].Suppressions; len(got) != 1 || got[0].Kind != kind || got[0].Status != "accepted" || got[0].Justification != "lab (until 2026-12-31)" {
			t.Errorf("%+v, want %s", got, kind)
		}
	}
}

func TestSARIFLimits(t *testing.T) {
	x := sarif(t, full(25_100, rule.Error)).Runs[0]
	var notes []string
	for _, n := range x.Invocations[0].ToolExecutionNotifications {
		notes = append(notes, n.Message.Text)
	}
	if len(x.Results) != 25_000 || !strings.Contains(strings.Join(notes, "\n"), "100 results left out") || !strings.Contains(strings.Join(notes, "\n"), "GitHub shows 5000") {
		t.Errorf("%d results, %q", len(x.Results), notes)
	}
	for _, part := range []rule.Part{rule.Intruder, rule.Owner} {
		r := kernel()
		f := &r.Findings[0]
		f.Claimants[0].Origin = snapshot.Origin{File: "first.yaml", Line: 1}
		for i := range 2000 {
			c := f.Claimants[1]
			c.Part, c.Origin = part, snapshot.Origin{File: "nodes.yaml", Line: i + 1}
			f.Claimants = append(f.Claimants, c)
		}
		got := sarif(t, r).Runs[0].Results[0]
		if n := len(got.Locations) + len(got.RelatedLocations); n != 1000 || !strings.Contains(got.Message.Text, "1001 more places not listed") {
			t.Errorf("%s: %d locations: %s", part, n, got.Message.Text)
		}
	}
}

// TestMarkdown: what stands in a manifest makes no link and no tag.
func TestMarkdown(t *testing.T) {
	r := kernel()
	f := &r.Findings[0]
	f.Title = "a [link](https://example.com) <img src=x> `code` *b* _c_\n# d"
	f.Chain.Impacts = append(f.Chain.Impacts, explain.Impact{Text: "two"}, explain.Impact{Text: "three"}, explain.Impact{Text: "four"}, explain.Impact{Text: "five"})
	f.Chain.Impacts[1].Certainty = explain.Assumed
	m := sarif(t, r).Runs[0].Results[0].Message
	for _, want := range []string{`**a \[link\](https://example.com) \<img src=x\> ` + "\\`code\\`" + ` \*b\* \_c\_ \# d**`, "- and 2 more effects", "- two (assumed)", "   ```sh\n   ip addr del 192.168.10.114/32 dev kube-ipvs0\n   ```", "Or: or restart"} {
		if !strings.Contains(m.Markdown, want) {
			t.Errorf("no %q in\n%s", want, m.Markdown)
		}
	}
}
