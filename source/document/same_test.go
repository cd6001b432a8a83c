// SPDX-License-Identifier: Apache-2.0

package document

import (
	"encoding/json"
	"maps"
	"slices"
	"sort"
	"testing"

	"whohas/snapshot"

	"sigs.k8s.io/yaml"
)

// TestScalarsAsKubectl compares what a plain scalar is with what kubectl's YAML
// makes of it. Numbers are compared as kubectl prints them where they are whole.
func TestScalarsAsKubectl(t *testing.T) {
	for _, s := range []string{
		"y", "n", "Yes", "no", "on", "OFF", "true", "False", "tRue", "~", "null", "NULL", "nULL", "0", "-0", "+5", "017", "-017", "0o17", "0x1F", "-0x1F", "0b11",
		"1_000", "0_8", "08", "1.5", ".5", "1.", "1e3", "12e03", "1:30", "2026-01-01", "2026-01-01T00:00:00Z", "10.0.0.1", "::1", "fd00::/8", "=", "<<", "a b", "!!str 5", "!!int '5'",
		"!!float 5", "!!bool yes", "!!null ~", "!!binary YQ==", "!x 5", "'5'", `"5"`, "99999999999999999999", "0xfffffffffffffffff", "1.5_0", "010.1",
	} {
		roots, err := newDecoder(t.Context(), &Reading{}).parseYAML([]byte(s))
		if err != nil || len(roots) != 1 {
			t.Errorf("%s: %v", s, err)
			continue
		}
		kind, text := scalarOf(roots[0])
		var content any
		if err := json.Unmarshal([]byte(asJSON(t, s)), &content); err != nil {
			t.Fatal(err)
		}
		var want snapshot.ValueKind
		switch c := content.(type) {
		case nil:
			want = snapshot.Null
		case bool:
			want = snapshot.Bool
		case float64:
			want = snapshot.Number
			if got := (snapshot.Field{Value: &snapshot.Value{Text: text}}).Int(); c == float64(int(c)) && got != int(c) && !slices.Contains([]string{"1.", "1e3", "12e03", "99999999999999999999"}, s) {
				t.Errorf("%s is %d, kubectl's %v", s, got, c)
			}
		case string:
			want = snapshot.String
			if text != c {
				t.Errorf("%s is %q, kubectl's %q", s, text, c)
			}
		}
		if kind != want {
			t.Errorf("%s is of kind %d, kubectl's %T", s, kind, content)
		}
	}
}

// asJSON is what kubectl makes of a YAML document.
func asJSON(tb testing.TB, in string) string {
	tb.Helper()
	out, err := yaml.YAMLToJSON([]byte(in))
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
}

// sortKeys puts the keys of maps in order: JSON made of a Go map has another.
func sortKeys(v *snapshot.Value) {
	if v.Kind == snapshot.Map {
		sort.Sort(byKey{v})
	}
	for i := range v.Items {
		sortKeys(&v.Items[i])
	}
}

type byKey struct{ *snapshot.Value }

func (b byKey) Len() int           { return len(b.Keys()) }
func (b byKey) Less(i, j int) bool { return b.Keys()[i] < b.Keys()[j] }
func (b byKey) Swap(i, j int) {
	b.Keys()[i], b.Keys()[j] = b.Keys()[j], b.Keys()[i]
	b.Items[i], b.Items[j] = b.Items[j], b.Items[i]
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
