// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestShieldSchema holds real plans against docs/shield.schema.json.
func TestShieldSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/shield.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	flagFixtures(t)
	for _, line := range []string{
		"shield --bundle host.snapshot", "shield --bundle host.snapshot --owner 192.0.2.50", "shield --bundle host.snapshot --status", "shield --bundle host.snapshot --owner 192.0.2.12",
	} {
		_, stdout, stderr := run(t, append(strings.Fields(line), "-o", "json")...)
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(stdout))
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", line, err, stdout, stderr)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v\n%s", line, err, stdout)
		}
	}
}
