// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/testkit/clustergen"
)

var planted = []clustergen.Planted{
	{Rule: "WH101", Address: "10.0.0.2", Objects: []string{"Node a", "Service x/y"}},
	{Rule: "WH104", Address: "10.0.0.4", Objects: []string{"IPAddressPool m/p"}},
	{Rule: "WH301", Range: "172.30.0.64-172.30.0.99", Objects: []string{"IPAddressPool m/q"}},
	{Rule: "WH205", Address: "10.0.0.2", Objects: []string{"Service x/y"}, Why: "brought along"},
}

const right = `{
  "apiVersion": "whohas/v1", "other": [{"a": 1}],
  "coverage": [{"source": "nodes", "status": "read", "count": 7}],
  "summary": {"findings": 3, "objects": 12},
  "findings": [
    {"rule": "WH101", "address": "10.0.0.2", "claimants": [{"object": "Service x/y"}, {"object": "Node a"}, {"object": "Node b"}]},
    {"rule": "WH104", "range": "10.0.0.4/31", "claimants": [{"object": "IPAddressPool m/p"}]}],
  "symptoms": [
    {"rule": "WH301", "range": "172.30.0.64-172.30.0.99", "claimants": [{"object": "IPAddressPool m/q"}]},
    {"rule": "WH202", "address": "10.0.0.2", "claimants": [{"object": "Service x/y"}]}],
  "suppressed": []
}`

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"right":     {"", "", ""},
		"missing":   {`"address": "10.0.0.2", "claimants": [{"object": "Service x/y"}, {`, `"address": "10.0.0.2", "claimants": [{`, "WH101 10.0.0.2 of [Node a Service x/y]: found 0 times\nnot planted: WH101 10.0.0.2 of [Node a Node b]"},
		"elsewhere": {"172.30.0.64-", "172.30.0.65-", "WH301 172.30.0.64-172.30.0.99 of [IPAddressPool m/q]: found 0 times\nnot planted: WH301 172.30.0.65-172.30.0.99 of [IPAddressPool m/q], as a symptom"},
		"invented":  {`"findings": [`, `"findings": [{"rule": "WH106", "address": "10.0.0.2", "claimants": []},`, "not planted: WH106 10.0.0.2 of []"},
		"twice":     {`"symptoms": [`, `"symptoms": [{"rule": "WH104", "address": "10.0.0.4", "claimants": [{"object": "IPAddressPool m/p"}]},`, "WH104 10.0.0.4 of [IPAddressPool m/p]: found 2 times"},
		"brought":   {`"findings": [`, `"findings": [{"rule": "WH205", "address": "10.0.0.2", "claimants": [{"object": "Service x/y"}]},`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := reportOf(t, strings.Replace(right, c.old, c.new, 1))
			if diff := cmp.Diff(c.want, strings.Join(compare(planted, r), "\n")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if r.Summary.Objects != 12 || len(r.Coverage) != 1 || r.Coverage[0].Count != 7 {
				t.Errorf("read %+v", r)
			}
		})
	}
}

func TestBrokenReport(t *testing.T) {
	for _, text := range []string{"", "{", `{"findings": [{]}`, `{"findings": [{"rule": 1}]}`} {
		path := filepath.Join(t.TempDir(), "report.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readReport(path); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

func reportOf(t *testing.T, text string) *report {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := readReport(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
