// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const recorded = root + "/lab/recorded/"

// TestDiagnosisSchema holds real answers against docs/diagnosis.schema.json.
func TestDiagnosisSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/diagnosis.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--bundle", recorded + "incident-1.36/during.snapshot", "--node", "cdev01"},
		{"--bundle", recorded + "incident-1.36/during.snapshot", "--node", "cdev02"},
		{"--bundle", recorded + "incident-1.25/naive.snapshot", "--node", "cdev03"},
		{"--bundle", recorded + "incident-1.36/healed.snapshot", "--node", "cdev03"},
		{"--no-probe"}, // this very host, whatever it is
	} {
		_, stdout, stderr := run(t, append([]string{"diagnose", "-o", "json"}, args...)...)
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(stdout))
		if err != nil {
			t.Fatalf("%v: %v\n%s%s", args, err, stdout, stderr)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%v: %v\n%s", args, err, stdout)
		}
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"apiVersion":"whohas/v1","kind":"Diagnosis","version":"x","complete":true,"coverage":[],"host":"a","verdict":"cause","title":"t",
		"cause":null,"others":[],"service":[],"useless":[],"checks":[{"name":"kubelet","outcome":"ok","text":"runs","evidence":[]}],"next":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if schema.Validate(v) == nil {
		t.Error("the schema takes a cause that is none")
	}
}
