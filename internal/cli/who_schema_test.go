// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestWhoSchema holds real answers against docs/who.schema.json.
func TestWhoSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/who.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"192.168.10.114", "-f", incident}, {"192.168.10.0/24", "-f", incident}, {"203.0.113.9", "fd00::/64", "-f", incident},
		{"who", "--free", "192.168.10.0/24", "-f", incident}, {"10.0.0.1", "-f", "nosuch"},
	} {
		_, stdout, _ := run(t, append(args, "-o", "json")...)
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(stdout))
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, stdout)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%v: %v\n%s", args, err, stdout)
		}
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"apiVersion":"whohas/v1","kind":"Who","version":"x","complete":true,"coverage":[],"answers":[{"verdict":"maybe","claims":[],"within":[],"findings":[]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if schema.Validate(v) == nil {
		t.Error("the schema takes an answer without an address and with an unknown verdict")
	}
}
