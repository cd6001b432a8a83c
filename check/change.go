// SPDX-License-Identifier: Apache-2.0

package check

import (
	"reflect"
	"slices"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/rule"
	"whohas/snapshot"
)

// Terms are what a change is judged by: all of it the base's, or the job's.
type Terms struct {
	Mode       dataplane.ProxyMode // overrides what objects show; "" does not
	ModeFrom   string
	Declared   []claim.Claim // beside what objects claim
	Rules      []*rule.Rule
	Severities map[string]rule.Severity
	Ended      func() bool // as of Input
}

// Compared is a change held against its base.
type Compared struct {
	Before Input  // the base alone
	After  Input  // the base with the change
	Worse  Result // what the change makes worse; Finish makes a report of it
}

// Compare judges a change so that it cannot excuse itself: it may add to what the base
// says of owners and of the proxy, and not take away (decision 0020). It is judged
// twice: by the base's evidence alone, on which nothing in the change has any
// influence, and by both together, whichever is worse; a third time, where it brings
// readings of hosts, without those. So more evidence in a change
// never makes less of what it takes.
func Compare(base, change *snapshot.Snapshot, t Terms) Compared {
	over := snapshot.Over(base, change)
	views := claimants.Compare(base, change, t.Declared...)
	was := cluster.Infer(base, t.Mode, t.ModeFrom)
	both, milder := worst(was, candidates(over, change, t))
	input := func(v claim.View, f *cluster.Facts, objects *snapshot.Snapshot) Input {
		return Input{View: v, Facts: f, Objects: objects, Coverage: objects.Coverage, Rules: t.Rules, Severities: t.Severities, Ended: t.Ended}
	}
	c := Compared{Before: input(views.Base, was, base), After: input(views.ByBoth, both, over)}
	c.After.OnlyWorse = true
	c.After.Weakened = append(weakenedClaims(views, change), milder...)
	before := Run(c.Before)
	c.Worse = Worse(before, Run(c.After))
	if views.Says || !reflect.DeepEqual(was, both) {
		c.Worse = worseOf(c.Worse, Worse(before, Run(input(views.ByBase, was, withHostsOf(base, over)))))
	}
	if len(change.Hosts) > 0 {
		c.Worse = worseOf(c.Worse, Worse(before, Run(input(views.ByObjects, both, withHostsOf(base, over)))))
	}
	return c
}

// withHostsOf is a snapshot with the hosts of another one.
func withHostsOf(base, over *snapshot.Snapshot) *snapshot.Snapshot {
	s := *over
	s.Hosts = base.Hosts
	return &s
}

// candidates are the ways to understand what a change says of the cluster: what is
// concluded when it is applied, and the same under each proxy mode that it names.
func candidates(over, change *snapshot.Snapshot, t Terms) []*cluster.Facts {
	f := cluster.Infer(over, t.Mode, t.ModeFrom)
	all := []*cluster.Facts{f}
	if t.Mode != dataplane.ModeUnknown {
		return all
	}
	for _, said := range cluster.ModesSaid(change) {
		all = append(all, f.As(said))
	}
	return all
}

// worseOf joins what two judgements found. Of one conflict the more severe finding
// stays; of two that are equally severe the one that names more owners, or a's.
func worseOf(a, b Result) Result {
	type place struct {
		rule *rule.Rule
		at   claim.Range
	}
	by := map[place][]rule.Finding{}
	for _, f := range slices.Concat(a.Findings, a.Hidden, b.Findings, b.Hidden) {
		at := place{f.Rule, f.Range}
		outdone := func(x, y *rule.Finding) bool {
			return y.Severity >= x.Severity && contains(y.Owners(), x.Owners())
		}
		if slices.ContainsFunc(by[at], func(o rule.Finding) bool { return outdone(&f, &o) }) {
			continue
		}
		by[at] = append(slices.DeleteFunc(by[at], func(o rule.Finding) bool { return outdone(&o, &f) }), f)
	}
	joined := engine{inconclusive: slices.Concat(a.Inconclusive, b.Inconclusive)}
	for _, list := range by {
		joined.findings = append(joined.findings, list...)
	}
	return joined.result()
}

// contains reports whether one sorted list holds all of another.
func contains(all, some []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool {
		_, found := slices.BinarySearch(all, s)
		return !found
	})
}
