// SPDX-License-Identifier: Apache-2.0

package document

import (
	"fmt"
	"strings"
	"testing"

	"whohas/snapshot"
)

// TestValues: an object that makes too much is told, in every form that it may have,
// and the next is read.
func TestValues(t *testing.T) {
	const n = maxValues + 2
	next := "\n---\napiVersion: v1\nkind: Node\nmetadata: {name: next}\n"
	head := "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
	for name, text := range map[string]string{
		"JSON":           `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"externalIPs": [` + strings.Repeat("1,", n) + `1]}}`,
		"JSON, nested":   `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"externalIPs": [` + strings.Repeat("[1,1],", n/3+1) + `1]}}`,
		"block":          head + "spec:\n  externalIPs:\n" + strings.Repeat("  - 1\n", n),
		"flow":           head + "spec: {externalIPs: [" + strings.Repeat("1,", n) + "1]}\n",
		"flow, over all": "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {externalIPs: [" + strings.Repeat("1,", n) + "1]}}\n",
	} {
		want := "more than 262144 lines and commas"
		if strings.HasPrefix(name, "JSON") {
			want = "more than 262144 values"
		}
		snap, result := decode(t, strings.NewReader(text+next))
		if len(snap.Objects) != 1 || snap.Objects[0].Ref.Name != "next" || result.Bad != 1 || !strings.Contains(snap.Coverage[0].Detail, want) {
			t.Errorf("%s: %d objects, %d bad, %v", name, len(snap.Objects), result.Bad, snap.Coverage)
		}
	}
}

// TestKinds: whoever makes up kinds without end is stopped by the budget.
func TestKinds(t *testing.T) {
	spent := 0
	into := snapshot.Builder{Budget: snapshot.NewBudget(1<<20, func() { spent++ })}
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, `{"apiVersion":"v1","kind":"K%d","metadata":{"name":"x"}}`, i)
	}
	result, err := Reading{Reads: testReads(t), Into: &into, File: "f"}.Decode(t.Context(), strings.NewReader(text.String()))
	if err != nil || spent != 1 || len(result.Other) == 0 || len(result.Other) > 1<<20/perKind {
		t.Errorf("%v, told %d times, %d kinds", err, spent, len(result.Other))
	}
}

func TestAliases(t *testing.T) {
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		laughs += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	for name, tt := range map[string]struct {
		text string
		want bool
	}{
		"laughs":            {laughs, false},
		"in a later text":   {"a: b\n---\n" + laughs, false},
		"as JSON":           {"{" + strings.ReplaceAll(strings.TrimSpace(laughs), "\n", ",\n") + "}", false},
		"a few":             {"a: &a {b: c}\nd: *a\ne: *a\n", true},
		"none":              {"a: b\n", true},
		"signs in a text":   {"a: '* & *'\n", true},
		"what is no YAML":   {"a: &a [\n*b", true},
		"merged over again": {"a: &a {x: 1}\nb:\n  <<: *a\n", true},
	} {
		if err := Aliases([]byte(tt.text)); (err == nil) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
