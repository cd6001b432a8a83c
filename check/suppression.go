// SPDX-License-Identifier: Apache-2.0

package check

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"whohas/rule"
	"whohas/snapshot"
)

// AllowAnnotation is the annotation by which an object allows a finding about
// its own claims.
const AllowAnnotation = "whohas.io/allow"

var allowKey = regexp.MustCompile(`\b(rule|reason|until)["']?\s*[=:]\s*`)

// ParseSuppressions reads an annotation's value: entries separated by ";" or new
// lines, each with a rule, a reason and, if wanted, a last day:
//
//	WH101 until=2026-12-31 reason=lab cluster, nobody depends on it
//	rule=WH202, reason=both are mine
//
// The same keys as YAML or JSON maps, or a list of them, are read too, on one
// line or on several. Each key counts once: what looks like it again belongs to
// the reason. An entry without a reason is kept: rule WH902 speaks about it.
func ParseSuppressions(text string) []rule.Suppression {
	var allows []rule.Suppression
	for part := range strings.SplitSeq(strings.ReplaceAll(text, "},", "};"), ";") {
		var entries []rule.Suppression
		for line := range strings.Lines(part) {
			a := parseSuppression(line)
			if last := len(entries) - 1; last >= 0 && continues(entries[last], a) {
				entries[last] = joined(entries[last], a)
			} else {
				entries = append(entries, a)
			}
		}
		allows = append(allows, slices.DeleteFunc(entries, func(a rule.Suppression) bool { return a == rule.Suppression{} })...)
	}
	return allows
}

func parseSuppression(entry string) rule.Suppression {
	keys := allowKey.FindAllStringSubmatchIndex(entry, -1)
	head := entry
	if len(keys) > 0 {
		head = entry[:keys[0][0]]
	}
	a := rule.Suppression{Rule: trimSuppression(head)}
	seen := map[string]bool{"rule": a.Rule != ""}
	keys = slices.DeleteFunc(keys, func(k []int) bool {
		key := entry[k[2]:k[3]]
		again := seen[key]
		seen[key] = true
		return again
	})
	for i, k := range keys {
		end := len(entry)
		if i+1 < len(keys) {
			end = keys[i+1][0]
		}
		value := trimSuppression(entry[k[1]:end])
		switch entry[k[2]:k[3]] {
		case "rule":
			a.Rule = value
		case "reason":
			a.Reason = value
		case "until":
			a.Until = value
		}
	}
	return a
}

// continues reports whether a line is more of the map that the line before began:
// it says nothing that was said.
func continues(a, more rule.Suppression) bool {
	return (a.Rule == "" || more.Rule == "") && (a.Reason == "" || more.Reason == "") && (a.Until == "" || more.Until == "")
}

func joined(a, more rule.Suppression) rule.Suppression {
	return rule.Suppression{Rule: a.Rule + more.Rule, Reason: a.Reason + more.Reason, Until: a.Until + more.Until}
}

func trimSuppression(s string) string { return strings.Trim(s, " \t\r\n,\"'{}[]-") }

// ObjectSuppressions lists what the objects of a snapshot allow.
func ObjectSuppressions(s *snapshot.Snapshot) []rule.Suppression {
	var out []rule.Suppression
	for _, o := range s.Objects {
		out = append(out, SuppressionsOf(o)...)
	}
	return out
}

// SuppressionsOver lists what the objects of a change allow over its base: a permission
// counts if the base's object bears the very same, else whoever takes an address could
// permit it to himself. One that the change brings is listed and does not count.
func SuppressionsOver(base, over *snapshot.Snapshot) []rule.Suppression {
	all := ObjectSuppressions(over)
	for i, a := range all {
		borne := false
		for _, o := range base.Of(a.Object) {
			borne = borne || slices.ContainsFunc(SuppressionsOf(o), func(b rule.Suppression) bool {
				return b.Rule == a.Rule && b.Place == a.Place && b.Reason == a.Reason && b.Until == a.Until
			})
		}
		if !borne {
			all[i].Refused = "is the change's own: it counts once it stands in the base"
		}
	}
	return all
}

// SuppressionsOf lists what one object allows.
func SuppressionsOf(o *snapshot.Object) []rule.Suppression {
	f := o.Annotation(AllowAnnotation)
	if !f.OK() {
		return nil
	}
	allows := ParseSuppressions(f.Text())
	for i := range allows {
		allows[i].Object, allows[i].Origin = o.Ref, f.Origin()
	}
	return allows
}

// Suppressed is a finding that is suppressed, and by what.
type Suppressed struct {
	Finding rule.Finding
	By      rule.Suppression
}

// suppress takes out what is allowed and notes which permissions did something.
func suppress(findings []rule.Finding, allows []rule.Suppression, now time.Time) (keep []rule.Finding, allowed []Suppressed, states []rule.SuppressionState) {
	states = make([]rule.SuppressionState, len(allows))
	for i, a := range allows {
		states[i] = rule.SuppressionState{Suppression: a, Fault: a.Fault(now)}
	}
	places := suppressionsOf(states)
	for _, f := range findings {
		if by, ok := suppressionOf(&f, states, places); ok {
			allowed = append(allowed, Suppressed{f, by})
		} else {
			keep = append(keep, f)
		}
	}
	return keep, allowed, states
}

// suppressionOf finds what allows a finding. A suppressionOf of the configuration
// covers it alone; one on an object covers only that object's part, and the
// finding is allowed when every intruder's part is: else a second Service could
// hide behind the first one's suppressionOf.
func suppressionOf(f *rule.Finding, states []rule.SuppressionState, by map[snapshot.Ref][]int) (rule.Suppression, bool) {
	intruders := f.Intruders()
	may := slices.Clone(by[snapshot.Ref{}])
	names := map[snapshot.Ref]bool{{}: true}
	for _, c := range intruders {
		for _, r := range []snapshot.Ref{c.By, c.Owner} {
			if !names[r] {
				names[r] = true
				may = append(may, by[r]...)
			}
		}
	}
	slices.Sort(may)
	covering := map[snapshot.Ref]bool{}
	var last rule.Suppression
	for _, i := range may {
		s := &states[i]
		if s.Fault != "" || !s.Matches(f) {
			continue
		}
		s.Used = true
		if s.Object.IsZero() {
			return s.Suppression, true
		}
		covering[s.Object], last = true, s.Suppression
	}
	return last, len(intruders) > 0 && !slices.ContainsFunc(intruders, func(c rule.Claimant) bool { return !covering[c.By] && !covering[c.Owner] })
}

// suppressionsOf lists the permissions by the object that gives them; of the
// configuration under none.
func suppressionsOf(states []rule.SuppressionState) map[snapshot.Ref][]int {
	by := map[snapshot.Ref][]int{}
	for i := range states {
		by[states[i].Object] = append(by[states[i].Object], i)
	}
	return by
}
