// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"whohas/report"
	"whohas/testkit/scenario"
)

// TestHosts writes findings about hosts in every way: the JSON keeps its schema, a
// kernel's claimant has a node and a table in place of a file, and the command of a
// host edit is there.
func TestHosts(t *testing.T) {
	s := schema(t)
	paths, err := filepath.Glob("../rules/testdata/WH11?/fires*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, path := range paths {
		sc, err := scenario.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		r := of(sc)
		if err := s.Validate(decoded(t, written(t, report.JSON, r))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	sc, err := scenario.Load("../rules/testdata/WH110/fires.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(io.Writer, *report.Report) error{"json": report.JSON, "text": report.Text(report.TextOptions{})} {
		got := written(t, f, of(sc))
		wants := []string{"ip addr del 192.168.10.114/32 dev kube-ipvs0", "Host cdev02"}
		if name == "json" {
			wants = append(wants, `"node": "cdev02"`, `"table": "kube-ipvs0"`, `"kind": "kernel.serviceAddress"`)
		}
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s lacks %s", name, want)
			}
		}
	}
}
