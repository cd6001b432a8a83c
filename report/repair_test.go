// SPDX-License-Identifier: Apache-2.0

package report

import (
	"net/netip"
	"strings"
	"testing"

	"whohas/command"
	"whohas/explain"
	"whohas/repair"
)

// TestWhatIsLeft: what was done is not left to do.
func TestWhatIsLeft(t *testing.T) {
	step := func(text string) []explain.Step {
		return []explain.Step{{Where: "cdev02", Text: text, Command: command.Shell("true")}}
	}
	plan := repair.Plan{Address: netip.MustParseAddr("192.168.10.114"), Hosts: step("the rule"), Claims: step("the claim"), Ports: step("a port"), Back: step("the way back"), After: step("look")}
	for _, test := range []struct {
		name      string
		report    Repair
		want, not string
	}{
		{"nothing was done", Repair{Claimed: true}, "NOT YET HEALED, the rule, the claim, a port, the way back, look", ""},
		{"the rule stands", Repair{Claimed: true, Reaches: true}, "REACHES THE OWNER, each other host that holds it, the claim, a port, the way back, look", "the rule"},
		{"and the claim is gone", Repair{Reaches: true}, "REACHES THE OWNER, each other host that holds it, a port, the way back", "the claim"},
		{"healed", Repair{Healed: true}, "HEALED, look", "what is left"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := test.report
			r.Plan, r.Applied = plan, true
			var b strings.Builder
			if err := RepairText(TextOptions{})(&b, &r); err != nil {
				t.Fatal(err)
			}
			rest := b.String()
			for _, want := range strings.Split(test.want, ", ") {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Errorf("no %q in order in\n%s", want, b.String())
					break
				}
				rest = after
			}
			if test.not != "" && strings.Contains(b.String(), test.not) {
				t.Errorf("%q in\n%s", test.not, b.String())
			}
		})
	}
}
