// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whohas/check"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/guard"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/testkit/scenario"
)

// eachScenario loads scenarios, and calls f for each proxy mode that one speaks of.
func eachScenario(t *testing.T, folder string, f func(t *testing.T, s *scenario.Scenario, mode dataplane.ProxyMode, want []string)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "rules", "testdata", folder, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d scenarios, %v", len(paths), err)
	}
	for _, path := range paths {
		s, err := scenario.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(path)) + "/" + strings.TrimSuffix(filepath.Base(path), ".txtar")
		for mode, want := range s.Want {
			set := mode
			if mode == "" {
				set = s.Mode
			}
			t.Run(name+" "+string(mode), func(t *testing.T) { f(t, s, set, want) })
		}
	}
}

// input is what a check of a scenario's snapshot works on, with given facts.
func input(s *scenario.Scenario, snap *snapshot.Snapshot, facts *cluster.Facts) check.Input {
	return check.Input{View: claimants.View(snap, s.Reserved...), Facts: facts, Objects: snap, Coverage: snap.Coverage, Rules: rules.All()}
}

// without is a snapshot less one object.
func without(s *snapshot.Snapshot, r snapshot.Ref) *snapshot.Snapshot {
	b := &snapshot.Builder{}
	for _, o := range s.Objects {
		if o.Ref != r {
			b.AddObject(o)
		}
	}
	for _, p := range s.Pods {
		b.AddPod(p)
	}
	for _, e := range s.Slices {
		b.AddSlice(e)
	}
	for _, h := range s.Hosts {
		b.AddHost(h)
	}
	for _, c := range s.Coverage {
		b.Cover(c)
	}
	return b.Snapshot()
}

// guarded lists the objects that a guard looks at, those in one file only.
func guarded(s *snapshot.Snapshot) []*snapshot.Object {
	return slices.DeleteFunc(slices.Clone(s.Objects), func(o *snapshot.Object) bool { return !guard.Covers(o.Ref) || len(s.Of(o.Ref)) > 1 })
}

// TestScenarios replays every scenario of the rules: each object that the guard
// covers is created last, and the decision is what the whole check says is worse,
// without the object's own permission (TestDecide has these).
func TestScenarios(t *testing.T) {
	decisions, refusals := 0, 0
	eachScenario(t, "*", func(t *testing.T, s *scenario.Scenario, mode dataplane.ProxyMode, _ []string) {
		facts := cluster.Infer(s.Snapshot, mode, "scenario")
		after := input(s, s.Snapshot, facts)
		for _, o := range guarded(s.Snapshot) {
			less := without(s.Snapshot, o.Ref)
			before := input(s, less, facts.Announcing(o.Ref, nil))
			st := guard.State{Input: after, Suppressions: check.ObjectSuppressions(less)}
			if decisions%2 == 0 { // whether the state holds it already must not matter
				st.Input = before
			}
			st.Facts = facts
			d := guard.Decide(st, guard.Request{Operation: guard.Create, After: o, Now: s.Now})
			decisions, refusals = decisions+1, refusals+len(d.Refusals)
			want := expected(before, after, check.ObjectSuppressions(less), s.Now)
			if got := said(d); !cmp.Equal(want, got) {
				t.Errorf("%s created (-whole check +guard):\n%s", o.Ref, cmp.Diff(want, got))
			}
		}
	})
	t.Logf("%d decisions, %d refusals", decisions, refusals)
}

// expected is what the whole check says: refusals and warnings.
func expected(before, after check.Input, allows []rule.Suppression, now time.Time) []string {
	grave := func(f rule.Finding) bool { return f.Severity >= rule.Error }
	worse := everything(check.Worse(check.Run(before), check.Run(after)))
	certain, onMode := worse, []rule.Finding(nil)
	if after.Facts.Mode == dataplane.ModeUnknown {
		certain = nil
		for _, f := range worse {
			mild := f
			for _, m := range []dataplane.ProxyMode{dataplane.IPTables, dataplane.NFTables, dataplane.EBPF, dataplane.IPVS} {
				g := inMode(f, before, after, m)
				if g == nil {
					mild.Severity = rule.Info
				} else if g.Severity < mild.Severity {
					mild = *g
				}
			}
			switch {
			case !grave(f):
				certain = append(certain, f)
			case grave(mild):
				certain = append(certain, mild)
			default:
				onMode = append(onMode, f)
			}
		}
	}
	var out []string
	for _, f := range finished(certain, allows, now) {
		if grave(f) {
			out = append(out, "! "+scenario.Summary(&f))
		} else if f.Severity == rule.Warning {
			out = append(out, "~ "+scenario.Summary(&f))
		}
	}
	for _, f := range finished(onMode, allows, now) {
		out = append(out, "? "+scenario.Summary(&f))
	}
	slices.Sort(out)
	return out
}

func inMode(f rule.Finding, before, after check.Input, m dataplane.ProxyMode) *rule.Finding {
	x, y := *before.Facts, *after.Facts
	x.Mode, y.Mode = m, m
	before.Facts, after.Facts = &x, &y
	for _, g := range everything(check.Worse(check.Run(before), check.Run(after))) {
		if g.Rule == f.Rule && g.Range == f.Range {
			return &g
		}
	}
	return nil
}

func everything(r check.Result) []rule.Finding { return slices.Concat(r.Findings, r.Hidden) }

func finished(findings []rule.Finding, allows []rule.Suppression, now time.Time) []rule.Finding {
	return check.Finish(check.Input{}, check.Result{Findings: findings}, allows, now).Findings
}

// said is a decision in the words of expected.
func said(d guard.Decision) []string {
	var out []string
	for i := range d.Refusals {
		out = append(out, "! "+scenario.Summary(&d.Refusals[i]))
	}
	for i := range d.Warnings {
		sign := "~ "
		if d.Warnings[i].OnMode {
			sign = "? "
		}
		out = append(out, sign+scenario.Summary(&d.Warnings[i].Finding))
	}
	slices.Sort(out)
	return out
}

// TestReports: each of the public reports of the incident is refused when its
// Service comes last, whichever object of the report that is, and warned of where
// the proxy mode is not known. Every fix passes.
func TestReports(t *testing.T) {
	refused := map[string]bool{}
	eachScenario(t, "reports", func(t *testing.T, s *scenario.Scenario, mode dataplane.ProxyMode, want []string) {
		facts := cluster.Infer(s.Snapshot, mode, "scenario")
		if facts.Mode != dataplane.IPVS {
			return // what its other modes say is compared in TestScenarios
		}
		st := guard.State{Input: input(s, s.Snapshot, facts)}
		blind := st
		unknown := *facts
		unknown.Mode = dataplane.ModeUnknown
		blind.Facts = &unknown
		found := false
		for _, o := range guarded(s.Snapshot) {
			if !slices.ContainsFunc(want, func(line string) bool {
				return strings.Contains(line, "critical") && strings.HasSuffix(line, o.Ref.String())
			}) {
				continue
			}
			found = true
			r := guard.Request{Operation: guard.Create, After: o, Now: s.Now}
			d := guard.Decide(st, r)
			if d.Allowed || d.Refusals[0].Severity != rule.Critical {
				t.Errorf("%s passes: %v", o.Ref, said(d))
			}
			if d := guard.Decide(blind, r); len(d.Refusals)+len(d.Warnings) == 0 {
				t.Errorf("%s, mode unknown: not a word", o.Ref)
			}
			if d := guard.Decide(st, guard.Request{Operation: "DELETE", Before: o, Now: s.Now}); !d.Allowed {
				t.Errorf("%s cannot be deleted", o.Ref)
			}
			fix(t, s, st, o, d)
		}
		if !found {
			t.Errorf("no object of %q is guarded", want)
		}
		refused[s.Name] = true
	})
	if len(refused) != 19 {
		t.Errorf("%d reports refused in ipvs mode, want all 19", len(refused))
	}
}

// fix applies what a refusal's findings advise, to the object as it stood already.
func fix(t *testing.T, s *scenario.Scenario, st guard.State, o *snapshot.Object, d guard.Decision) {
	t.Helper()
	for _, f := range d.Refusals {
		for _, fix := range f.Chain.Fixes {
			for _, e := range fix.Edits() {
				after, err := s.Snapshot.Apply(e)
				if err != nil || e.On != o.Ref {
					continue
				}
				r := guard.Request{Operation: guard.Update, Subresource: e.Subresource, Before: o, After: after.First(o.Ref), Now: s.Now}
				if d := guard.Decide(st, r); !d.Allowed {
					t.Errorf("the fix of %s is refused: %s", o.Ref, d.Message())
				}
			}
		}
	}
}

// TestLookalikes: what only looks like the incident is admitted, in every mode in
// which it does. (k3s-3345 is the incident where it runs in ipvs mode.)
func TestLookalikes(t *testing.T) {
	eachScenario(t, "lookalikes", func(t *testing.T, s *scenario.Scenario, mode dataplane.ProxyMode, want []string) {
		if mode == dataplane.IPVS && len(want) > 0 && strings.Contains(s.Name, "k3s-3345") {
			return
		}
		st := guard.State{Input: input(s, s.Snapshot, cluster.Infer(s.Snapshot, mode, "scenario"))}
		for _, o := range guarded(s.Snapshot) {
			if d := guard.Decide(st, guard.Request{Operation: guard.Create, After: o, Now: s.Now}); !d.Allowed {
				t.Errorf("%s: %s", o.Ref, d.Message())
			}
		}
	})
}

// TestNearMisses: a scenario in which nothing is found admits everything.
func TestNearMisses(t *testing.T) {
	quiet := 0
	eachScenario(t, "WH*", func(t *testing.T, s *scenario.Scenario, mode dataplane.ProxyMode, want []string) {
		if len(want) > 0 {
			return
		}
		quiet++
		st := guard.State{Input: input(s, s.Snapshot, cluster.Infer(s.Snapshot, mode, "scenario")), Suppressions: check.ObjectSuppressions(s.Snapshot)}
		for _, o := range guarded(s.Snapshot) {
			if d := guard.Decide(st, guard.Request{Operation: guard.Create, After: o, MayOverride: true, Now: s.Now}); len(said(d)) > 0 {
				t.Errorf("%s: %v", o.Ref, said(d))
			}
		}
	})
	if quiet < 30 {
		t.Errorf("%d near misses only", quiet)
	}
}
