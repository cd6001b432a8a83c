// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"fmt"
	"slices"
	"strings"

	"whohas/check"
	"whohas/rule"
	"whohas/snapshot"
)

// What a text is cut to. The apiserver passes on a message whole, and warnings up
// to 4 KiB together, of which kubectl prints each on one line (k8s.io/apiserver
// pkg/endpoints/filters/warning.go: more are cut to 256 bytes each).
const (
	mostRefusals = 3
	mostNotes    = 10
	mostNote     = 256
)

// Message is the refusal as whoever asked reads it: for each finding the rule, the
// address, who claims it, what would happen, what to do instead; and the way
// through. It is "" for what is allowed.
func (d *Decision) Message() string { return d.message(d.explain) }

// Unnamed is Message for somebody who is not known: it says what he has sent himself, and
// that it is another's; not whose.
func (d *Decision) Unnamed() string { return d.message(d.sketch) }

func (d *Decision) message(explain func(*strings.Builder, *rule.Finding)) string {
	if d.Allowed {
		return ""
	}
	if d.Beyond != "" {
		return fmt.Sprintf("whohas has not judged %s: %s. Make it in parts, or in several objects. Deleting, and claiming less than before, always passes.", d.Object, d.Beyond)
	}
	var b strings.Builder
	for i := range d.Refusals {
		if i == mostRefusals {
			fmt.Fprintf(&b, "And %d more: %s.\n", len(d.Refusals)-i, strings.Join(ids(d.Refusals[i:]), ", "))
			break
		}
		explain(&b, &d.Refusals[i])
	}
	for _, i := range d.Ignored {
		fmt.Fprintf(&b, "The permission for %s in %s is ignored: it %s.\n", orNone(i.Suppression.Rule), check.AllowAnnotation, i.Why)
	}
	fmt.Fprintf(&b, "Deleting, and claiming less than before, always passes. If it is meant so: whoever has the permission %s may annotate %s with %s: \"%s until=YYYY-MM-DD reason=...\".",
		Permission, d.Object, check.AllowAnnotation, strings.Join(ids(d.Refusals), " until=YYYY-MM-DD reason=...; "))
	return b.String()
}

func (d *Decision) explain(b *strings.Builder, f *rule.Finding) {
	fmt.Fprintf(b, "%s %s (%s): %s.\n", f.Rule.ID, f.Rule.Name, f.Severity, f.Title)
	if where := stands(f, d.Object); where != "" {
		fmt.Fprintf(b, "  asked for:   %s\n", where)
	}
	if others := d.others(f); others != "" {
		fmt.Fprintf(b, "  claimed by:  %s\n", others)
	}
	for _, l := range f.Chain.Impacts[:min(2, len(f.Chain.Impacts))] {
		fmt.Fprintf(b, "  effect:      %s\n", l.Text)
	}
	fmt.Fprintf(b, "  instead:     %s\n", d.instead(f))
}

func (d *Decision) sketch(b *strings.Builder, f *rule.Finding) {
	fmt.Fprintf(b, "%s %s (%s): what %s claims is another's.\n", f.Rule.ID, f.Rule.Name, f.Severity, d.Object)
	if where := stands(f, d.Object); where != "" {
		fmt.Fprintf(b, "  asked for:   %s\n", where)
	}
	fmt.Fprintf(b, "  effect:      %s\n  instead:     %s\n  whose it is: whohas who tells, with a kubeconfig that may read the cluster\n", f.Rule.Doc.Effect, f.Rule.Doc.Fix)
}

// stands says in which fields an object makes its claims in a finding.
func stands(f *rule.Finding, by snapshot.Ref) string {
	var fields []string
	for _, c := range f.Claimants {
		if c.By == by && c.Origin.Field != "" {
			fields = append(fields, c.Origin.Field+": "+orRange(&c))
		}
	}
	slices.Sort(fields)
	return strings.Join(slices.Compact(fields), ", ")
}

func orRange(c *rule.Claimant) string {
	if c.Text != "" {
		return c.Text
	}
	return c.Range.String()
}

// others names who else is in the conflict, and by which field.
func (d *Decision) others(f *rule.Finding) string {
	const most = 4
	var who []string
	for _, c := range f.Claimants {
		if c.By != d.Object {
			who = append(who, strings.TrimSpace(c.By.String()+" "+c.Origin.Field))
		}
	}
	slices.Sort(who)
	who = slices.Compact(who)
	if more := len(who) - most; more > 0 {
		who = append(who[:most], fmt.Sprintf("%d more", more))
	}
	return strings.Join(who, ", ")
}

// instead is what to do: the rule's advice to whoever takes an address; where the
// object is the one whose address is taken, the fix of the other's claim.
func (d *Decision) instead(f *rule.Finding) string {
	mine := func(c rule.Claimant) bool { return c.By == d.Object }
	if slices.ContainsFunc(f.Intruders(), mine) || len(f.Chain.Fixes) == 0 {
		return f.Rule.Doc.Fix
	}
	fix := f.Chain.Fixes[0]
	for _, s := range fix.Steps {
		if line := s.Line().String(); line != "" {
			return fix.Text + ": " + line
		}
	}
	return fix.Text
}

// Notes are the decision's admission warnings, one line each: what is allowed and
// should be known.
func (d *Decision) Notes() []string { return d.notes(func(f *rule.Finding) string { return f.Title }) }

// UnnamedNotes are Notes for somebody who is not known.
func (d *Decision) UnnamedNotes() []string {
	return d.notes(func(f *rule.Finding) string { return f.Rule.Name + ", by " + stands(f, d.Object) })
}

func (d *Decision) notes(title func(*rule.Finding) string) []string {
	var notes []string
	for _, e := range d.Excused {
		notes = append(notes, fmt.Sprintf("whohas %s: %s; excused by %s: %s", e.Finding.Rule.ID, title(&e.Finding), check.AllowAnnotation, e.By.Reason))
	}
	for i := range d.Warnings {
		notes = append(notes, d.Warnings[i].note(title(&d.Warnings[i].Finding)))
	}
	if more := len(notes) - mostNotes; more > 0 {
		notes = append(notes[:mostNotes], fmt.Sprintf("whohas: and %d more; whohas check tells all", more))
	}
	for i := range notes {
		notes[i] = cut(notes[i])
	}
	return notes
}

func (w *Warning) note(title string) string {
	text := fmt.Sprintf("whohas %s: %s", w.Finding.Rule.ID, title)
	if w.OnMode {
		text = fmt.Sprintf("whohas %s: refused if kube-proxy ran in ipvs mode; the proxy mode is not known (--proxy-mode): %s", w.Finding.Rule.ID, title)
	}
	return text
}

// cut shortens a text to what fits, at a rune's end and on one line.
func cut(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= mostNote {
		return text
	}
	const dots = "..."
	return strings.ToValidUTF8(text[:mostNote-len(dots)], "") + dots
}

func ids(findings []rule.Finding) []string {
	var out []string
	for i := range findings {
		if id := findings[i].Rule.ID; !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func orNone(id string) string {
	if id == "" {
		return "no rule"
	}
	return id
}
