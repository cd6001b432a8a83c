// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"whohas/report"
	"whohas/testkit/scenario"
)

// hostileWorld is a world of one Node, and of Services that claim its address.
func hostileWorld(t interface{ Fatal(...any) }, names []string) *report.Report {
	type object = map[string]any
	items := []object{{"apiVersion": "v1", "kind": "Node", "metadata": object{"name": "n1"},
		"status": object{"addresses": []object{{"type": "InternalIP", "address": "192.0.2.1"}}}}}
	for _, name := range names {
		items = append(items, object{"apiVersion": "v1", "kind": "Service",
			"metadata": object{"name": name, "namespace": "t", "annotations": object{"meta.helm.sh/release-name": name}},
			"spec":     object{"externalIPs": []string{"192.0.2.1"}, "ports": []object{{"port": 80}}}})
	}
	text, err := json.Marshal(object{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenario.Parse("hostile", []byte("-- scenario --\nmode: ipvs\n-- a.json --\n"+string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return of(s)
}

var (
	mark  = regexp.MustCompile(`##[A-Za-z]*\[`)
	first = regexp.MustCompile(`^\s*::[a-z-]+`)
)

// obeyed says what a terminal or a CI runner would obey in a format's output. Only
// GitHub's own lines may begin with a command, and there are as many as findings.
func obeyed(out string, commands int) string {
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if i := strings.IndexFunc(line, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }); i >= 0 {
			return fmt.Sprintf("a control character in %q", line)
		}
		if first.MatchString(line) {
			commands--
			continue
		}
		if mark.MatchString(line) {
			return fmt.Sprintf("a command in %q", line)
		}
	}
	if commands != 0 {
		return fmt.Sprintf("%d commands too few or many", commands)
	}
	return ""
}

// TestNothingIsObeyed: no format lets a name be obeyed by a terminal or a CI runner,
// whatever it is; and JSON still says the name.
func TestNothingIsObeyed(t *testing.T) {
	pieces := []string{"##[stop-commands]x", "##[warning]", "##vso[task.x]", "##teamcity[x]", "\n::error::x", "\r::add-mask::x", "::warning file=a::x",
		"\x1b]0;d\x07\x1b[31m", "\u202e", "\u009b31m", "\u2028", "%0A::error::x", "a", " ", "#", "[", ":", "\t"}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom(pieces)
		names := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return "x" + strings.Join(rapid.SliceOfN(piece, 1, 4).Draw(t, "pieces"), "")
		}), 1, 3).Draw(t, "names")
		r := hostileWorld(t, names)
		if len(r.Findings) == 0 {
			t.Fatal("nothing is found")
		}
		for name, format := range everyFormat(report.TextOptions{Width: 60}) {
			var out bytes.Buffer
			if err := format(&out, r); err != nil {
				t.Fatal(err)
			}
			commands := 0
			if name == "github" {
				commands = len(r.Findings)
			}
			if why := obeyed(out.String(), commands); why != "" {
				t.Fatalf("%s: %s", name, why)
			}
			if name == "json" && !says(t, out.Bytes(), names[0]) {
				t.Fatalf("json does not name %q:\n%s", names[0], out.String())
			}
		}
	})
}

func says(t *rapid.T, out []byte, name string) bool {
	var parsed struct {
		Findings []struct{ Claimants []struct{ Object string } }
	}
	if err := json.Unmarshal(out, &parsed); err != nil {
		t.Fatal(err)
	}
	for _, f := range parsed.Findings {
		for _, c := range f.Claimants {
			if c.Object == "Service t/"+name {
				return true
			}
		}
	}
	return false
}

func TestShown(t *testing.T) {
	for text, want := range map[string]string{
		"plain ü":            "plain ü",
		"::1 is loopback":    "::1 is loopback",
		"::error::x":         ": :error::x",
		"a ##[group]b":       "a # #[group]b",
		"##vso[task.x]b":     "# #vso[task.x]b",
		"a\nb\x1b[31m\u202e": "a\ufffdb\ufffd[31m\ufffd",
		"a\xffb":             "a\ufffdb",
	} {
		if got := report.Shown(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
