// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// row is a case and what became of it.
type row struct {
	*trial
	mode            string
	webhook, policy verdict
}

// hold tells what is not as it has to be: the harm is refused by both, and nothing else
// is refused by either.
func (r *row) hold(t *testing.T) {
	t.Helper()
	for _, part := range []struct {
		name string
		verdict
	}{{"webhook", r.webhook}, {"policy", r.policy}} {
		switch {
		case r.harmful && len(part.rules) == 0:
			t.Errorf("%s: the %s admits it", r.name, part.name)
		case !r.harmful && len(part.rules) > 0:
			t.Errorf("%s: the %s refuses it: %s", r.name, part.name, part.message)
		}
	}
}

// enough reports whether the table says anything: of a guard that is asked about nothing,
// nothing follows.
func enough(t *testing.T, rows []row) {
	t.Helper()
	of := map[string]int{}
	for i := range rows {
		r := &rows[i]
		kind, _, _ := strings.Cut(r.name, "/")
		if strings.HasPrefix(kind, "WH") {
			kind = "near misses"
		}
		of[kind]++
		of["webhook "+r.webhook.cell()]++
		of["policy "+r.policy.cell()]++
	}
	if of["incident"] != 1 || of["reports"] != 19 || of["lookalikes"] != 6 || of["near misses"] < 110 || of["webhook admitted"] < 90 || of["policy admitted"] < 75 {
		t.Errorf("%v", of)
	}
}

func (v *verdict) cell() string {
	switch {
	case len(v.rules) > 0:
		return "refused: " + strings.Join(v.rules, ", ")
	case len(v.asked) == 0:
		return "not asked"
	}
	return "admitted"
}

func (r *row) reason() string {
	var parts []string
	if r.webhook.message != "" {
		parts = append(parts, "webhook: "+r.webhook.message)
	}
	if r.policy.message != "" {
		said, _, _ := strings.Cut(r.policy.message, ". Fix: ")
		parts = append(parts, "policy: "+said)
	}
	switch {
	case len(parts) > 0:
	case len(r.looked) == 0:
		parts = append(parts, "it has no object that a guard looks at")
	default:
		slices.Sort(r.looked)
		parts = append(parts, "written: "+strings.Join(r.looked, ", "))
	}
	if r.trial.policy == nil && len(r.services) > 0 {
		parts = append(parts, "no policy: nothing in the cluster has an address to guard")
	}
	return strings.Join(append(parts, r.notes...), "; ")
}

// sections are the kinds of cases, by how their names begin.
var sections = []struct{ prefix, title, text string }{
	{"incident", "The incident, and the reports of the same", "The claim is written last, by cluster-admin. Both refuse it."},
	{"lookalikes/", "What only looks like it", "Each object that the guard looks at is written as if it came last. Both admit it."},
	{"WH", "Near misses of the rules", "The same. Both admit it."},
}

const preamble = `# What the guard says of known cases

Made by ` + "`go test ./guard/cases -run TestCases -update`" + `, which plays each case into a real
kube-apiserver: once with ` + "`whohas-guard serve`" + ` behind the webhook of deploy/base, once with what
` + "`whohas guard policy --form literal`" + ` prints for the case's cluster. The scenarios are
rules/testdata/NAME.txtar and examples/incident. All writes are cluster-admin's.

- **mode**: as the case's objects show it; *told* by --proxy-mode because the case says so; *not
  known*: nothing shows it, and --proxy-mode says ipvs, in which most is refused.
- **not asked**: nothing that is written meets the webhook's conditions; for the policy, which
  sees Services alone: none is written, or there is no node to guard.
- What no rule reads and an apiserver demands is filled in: a container's image, a volume's size,
  names of ports; for a ClusterIP outside %s, a ServiceCIDR around it.
- The policies of all cases stand in the apiserver at once, each bound to its case by a label.

%d cases:
%s
`

func document(rows []row) string {
	var b strings.Builder
	fmt.Fprintf(&b, preamble, serviceRange, len(rows), counts(rows))
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n%s\n\n| case | what it is | mode | webhook | policy | reason |\n|---|---|---|---|---|---|\n", s.title, s.text)
		for i := range rows {
			if r := &rows[i]; strings.HasPrefix(r.name, s.prefix) || s.prefix == "incident" && r.harmful {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.linked(), escape(r.what), r.mode, r.webhook.cell(), r.policy.cell(), escape(r.reason()))
			}
		}
	}
	return b.String()
}

func (r *row) linked() string {
	if r.link != "" {
		return "[" + r.name + "](" + r.link + ")"
	}
	return r.name
}

func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(text)
}

// counts says how many cases came out how, of harm and of the rest.
func counts(rows []row) string {
	var parts []string
	for _, harm := range []bool{true, false} {
		of, said := map[string]int{}, 0
		for i := range rows {
			if r := &rows[i]; r.harmful == harm {
				said++
				for name, v := range map[string]*verdict{"webhook": &r.webhook, "policy": &r.policy} {
					word, _, _ := strings.Cut(v.cell(), ":")
					of[name+" "+word]++
				}
			}
		}
		kind := map[bool]string{true: "harmful", false: "harmless"}[harm]
		var by []string
		for _, name := range []string{"webhook", "policy"} {
			by = append(by, fmt.Sprintf("the %s refuses %d, admits %d, is not asked about %d", name, of[name+" refused"], of[name+" admitted"], of[name+" not asked"]))
		}
		parts = append(parts, fmt.Sprintf("- of %d %s ones %s", said, kind, strings.Join(by, "; ")))
	}
	return strings.Join(parts, ";\n") + "."
}
