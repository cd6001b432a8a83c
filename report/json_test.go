// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"whohas/claim"
	"whohas/report"
	"whohas/rule"
)

const schemaFile = "../docs/report.schema.json"

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func decoded(t testing.TB, text string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestJSON(t *testing.T) {
	s := schema(t)
	for name, r := range reports(t) {
		t.Run(name, func(t *testing.T) {
			got := written(t, report.JSON, r)
			if err := s.Validate(decoded(t, got)); err != nil {
				t.Errorf("%s: %v", schemaFile, err)
			}
			if kept(name) {
				golden(t, name+".json", got)
			}
		})
	}
	t.Run("fleet", func(t *testing.T) {
		if err := s.Validate(decoded(t, written(t, report.JSON, fleet(t)))); err != nil {
			t.Error(err)
		}
	})
}

// TestJSONPlace: one address, or a range in its place, or neither.
func TestJSONPlace(t *testing.T) {
	s := schema(t)
	for text, want := range map[string][2]string{
		"192.0.2.1": {"192.0.2.1", ""}, "2001:db8::a": {"2001:db8::a", ""}, "::ffff:192.0.2.1": {"192.0.2.1", ""}, "": {"", ""},
		"192.0.2.0/24": {"", "192.0.2.0/24"}, "192.0.2.1-192.0.2.9": {"", "192.0.2.1-192.0.2.9"}, "2001:db8::/64": {"", "2001:db8::/64"},
	} {
		r := kernel()
		r.Findings[0].Range = claim.Range{}
		if text != "" {
			x, err := claim.ParseRange(text)
			if err != nil {
				t.Fatal(err)
			}
			r.Findings[0].Range = x
		}
		v := decoded(t, written(t, report.JSON, r))
		if err := s.Validate(v); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		f := at(v, "findings", 0).(map[string]any)
		if got := [2]string{fmt.Sprint(orBlank(f["address"])), fmt.Sprint(orBlank(f["range"]))}; got != want {
			t.Errorf("%q: address and range are %q, want %q", text, got, want)
		}
	}
}

func orBlank(v any) any {
	if v == nil {
		return ""
	}
	return v
}

func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(map[string]any)[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v
}

// contract is the example of the contract that the JSON is held to.
const contract = `
{"apiVersion":"whohas/v1","kind":"Report","version":"...","complete":true,
 "summary":{"findings":1,"bySeverity":{"critical":1},"objects":7,"addresses":9,"proxyMode":"ipvs","proxyModeFrom":"ConfigMap kube-system/kube-proxy"},
 "findings":[{"rule":"WH101","name":"external-ip-is-node","severity":"critical","address":"192.168.10.114","fingerprint":"...","title":"...",
   "claimants":[{"kind":"service.externalIP","object":"Service demo/tomcat","field":"spec.externalIPs[0]","file":"svc.yaml","line":9,"role":"intruder","since":"...","by":"kubectl-edit"},
                {"kind":"node.internalIP","object":"Node cdev01","field":"status.addresses[0]","file":"nodes.yaml","line":12,"role":"owner"}],
   "effects":[{"text":"...","nodes":["cdev02","cdev03"],"loses":["apiserver","kubelet","bgp"],"certainty":"observed","evidence":["..."]}],
   "fixes":[{"text":"...","command":"kubectl -n demo patch service tomcat ...","where":"cdev01"}]}],
 "suppressed":[], "coverage":[{"source":"nodes","status":"read","count":3}]}`

// TestContract: whatever a script may read by the contract is there, in the
// incident that the contract shows.
func TestContract(t *testing.T) {
	want := decoded(t, contract)
	got := decoded(t, written(t, report.JSON, world(t, "incident")))
	have := map[string]bool{}
	for p := range leaves("", got) {
		have[p] = true
	}
	for p := range leaves("", want) {
		if !have[p] {
			t.Errorf("missing: %s", p)
		}
	}
	for _, path := range [][]any{
		{"apiVersion"}, {"kind"}, {"complete"}, {"summary", "findings"}, {"summary", "bySeverity"}, {"summary", "objects"},
		{"summary", "proxyMode"}, {"summary", "proxyModeFrom"}, {"findings", 0, "rule"}, {"findings", 0, "name"}, {"findings", 0, "severity"},
		{"findings", 0, "address"}, {"findings", 0, "claimants", 0, "kind"}, {"findings", 0, "claimants", 0, "object"},
		{"findings", 0, "claimants", 0, "field"}, {"findings", 0, "claimants", 0, "role"}, {"findings", 0, "claimants", 0, "by"},
		{"findings", 0, "claimants", 1, "object"}, {"findings", 0, "claimants", 1, "role"}, {"findings", 0, "effects", 0, "nodes"}, {"suppressed"},
	} {
		if diff := cmp.Diff(at(want, path...), at(got, path...)); diff != "" {
			t.Errorf("%v (-contract +got):\n%s", path, diff)
		}
	}
}

// leaves names every field with its type: findings[].line number.
func leaves(path string, v any) map[string]bool {
	out := map[string]bool{}
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			for p := range leaves(path+"."+k, x) {
				out[p] = true
			}
		}
	case []any:
		out[path+"[]"] = true
		for _, x := range v {
			for p := range leaves(path+"[]", x) {
				out[p] = true
			}
		}
	default:
		out[fmt.Sprintf("%s %T", path, v)] = true
	}
	return out
}

// TestSchemaMeans: each field that the contract asks for is missed, and a value
// that it does not know is refused.
func TestSchemaMeans(t *testing.T) {
	s := schema(t)
	text := written(t, report.JSON, world(t, "many"))
	for _, path := range []string{
		"apiVersion", "kind", "version", "complete", "coverage", "summary", "findings", "suppressed",
		"summary.findings", "summary.bySeverity", "summary.objects", "summary.addresses", "summary.proxyMode", "summary.proxyModeFrom",
		"findings.0.rule", "findings.0.name", "findings.0.severity", "findings.0.fingerprint", "findings.0.title", "findings.0.claimants",
		"findings.0.effects", "findings.0.fixes", "findings.0.claimants.0.kind", "findings.0.claimants.0.object", "findings.0.claimants.0.role",
		"findings.0.effects.0.text", "findings.0.effects.0.nodes", "findings.0.effects.0.loses", "findings.0.effects.0.certainty",
		"findings.0.effects.0.evidence", "findings.0.fixes.0.text", "findings.0.fixes.0.command", "findings.0.fixes.0.where",
		"suppressed.0.rule", "suppressed.0.reason", "suppressed.0.allowedBy", "coverage.0.source", "coverage.0.status", "coverage.0.count",
	} {
		if err := s.Validate(changed(t, text, path, nil)); err == nil {
			t.Errorf("valid without %s", path)
		}
	}
	for path, value := range map[string]any{
		"kind": "Who", "findings.0.severity": "high", "findings.0.address": "10.0.0.01", "findings.0.range": "10.0.0.0/8",
		"findings.0.claimants.0.role": "villain", "findings.0.claimants.0.node": "cdev02", "findings.0.effects.0.certainty": "guessed",
		"summary.bySeverity.high": json.Number("1"), "coverage.0.status": "fine", "coverage.0.line": json.Number("0"),
	} {
		if err := s.Validate(changed(t, text, path, value)); err == nil {
			t.Errorf("valid with %s = %v", path, value)
		}
	}
	if err := s.Validate(changed(t, text, "findings.0.new", "later")); err != nil {
		t.Errorf("a new field: %v", err)
	}
}

// changed sets the value at a path, or deletes it where value is nil.
func changed(t testing.TB, text, path string, value any) any {
	t.Helper()
	v := decoded(t, text)
	keys := strings.Split(path, ".")
	in := v
	for _, k := range keys[:len(keys)-1] {
		if list, ok := in.([]any); ok {
			in = list[slices.Index([]string{"0", "1", "2"}, k)]
		} else {
			in = in.(map[string]any)[k]
		}
	}
	last := keys[len(keys)-1]
	if _, ok := in.(map[string]any)[last]; !ok && value == nil {
		t.Fatalf("no %s to leave out", path)
	}
	if value == nil {
		delete(in.(map[string]any), last)
	} else {
		in.(map[string]any)[last] = value
	}
	return v
}

// everyFormat are all formats of a report that are entered.
func everyFormat(o report.TextOptions) map[string]func(io.Writer, *report.Report) error {
	out := map[string]func(io.Writer, *report.Report) error{}
	for _, f := range report.Formats() {
		out[f.Name] = f.Write(o)
	}
	return out
}

// TestDeterministic: the same input gives the same bytes, in every format.
func TestDeterministic(t *testing.T) {
	for name, f := range everyFormat(report.TextOptions{}) {
		for _, input := range []string{"incident", "many"} {
			want := written(t, f, world(t, input))
			for range 5 {
				if got := written(t, f, world(t, input)); got != want {
					t.Fatalf("%s of %s: not the same twice:\n%s", name, input, cmp.Diff(want, got))
				}
			}
		}
	}
}

// full is a report with n findings, each at its own address.
func full(n int, severity rule.Severity) *report.Report {
	r := kernel()
	one := r.Findings[0]
	one.Severity = severity
	r.Findings = make([]rule.Finding, n)
	ip := netip.MustParseAddr("10.0.0.0")
	for i := range r.Findings {
		ip = ip.Next()
		one.Range = claim.Single(ip)
		r.Findings[i] = one
	}
	return r
}
