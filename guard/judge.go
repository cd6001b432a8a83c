// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"
	"time"

	"whohas/check"
	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/rule"
	"whohas/snapshot"
)

// refused is the severity from which on a finding that a request brings refuses it.
const refused = rule.Error

// judge asks what the request makes worse, takes out what is allowed, and sorts the
// rest into refusals and warnings.
func (c *change) judge(r Request) Decision {
	d := Decision{Object: c.ref}
	if d.Beyond = c.beyond(); d.Beyond != "" {
		return d
	}
	certain, onMode := c.split(c.worse(c.Facts))
	certain, onMode = d.permit(c, r, certain), d.permit(c, r, onMode)
	for _, f := range c.shown(certain, r.Now) {
		switch {
		case f.Severity >= refused:
			d.Refusals = append(d.Refusals, f)
		case f.Severity == rule.Warning:
			d.Warnings = append(d.Warnings, Warning{Finding: f})
		}
	}
	for _, f := range c.shown(onMode, r.Now) {
		d.Warnings = append(d.Warnings, Warning{Finding: f, OnMode: true})
	}
	slices.SortStableFunc(d.Excused, func(a, b check.Suppressed) int { return rule.Compare(a.Finding, b.Finding) })
	d.Excused = slices.CompactFunc(d.Excused, func(a, b check.Suppressed) bool { return rule.Compare(a.Finding, b.Finding) == 0 })
	slices.SortStableFunc(d.Warnings, func(a, b Warning) int { return rule.Compare(a.Finding, b.Finding) })
	d.Allowed = len(d.Refusals) == 0
	return d
}

// worse lists what is worse after the request, symptoms too. Most requests bring no
// finding at all, and nobody asks then how it was before.
func (c *change) worse(facts *cluster.Facts) []rule.Finding {
	if c.keys == nil {
		c.keys = c.touched()
	}
	after := c.ask(facts, c.is, c.now)
	if len(after.Findings) == 0 { // a symptom is hidden by what is shown
		return nil
	}
	worse := check.Worse(c.ask(facts, c.was, c.before), after)
	return slices.Concat(worse.Findings, worse.Hidden)
}

func (c *change) touched() []rule.Key {
	return check.Keys(claim.Overlay(c.View, []snapshot.Ref{c.ref}, c.now), c.Rules, slices.Concat(c.before, c.now))
}

// ask puts the touched keys to the rules as if the object were, and claimed, so.
func (c *change) ask(facts *cluster.Facts, o *snapshot.Object, claims []claim.Claim) check.Result {
	in := c.Input
	in.View = claim.Overlay(c.View, []snapshot.Ref{c.ref}, claims)
	in.Facts = facts.Announcing(c.ref, o)
	in.Objects = objects{c.Objects, c.ref, o}
	return check.On(in, c.keys)
}

// objects is a source in which one object is another, or is not there.
type objects struct {
	rule.Source
	ref    snapshot.Ref
	object *snapshot.Object
}

func (s objects) Of(r snapshot.Ref) []*snapshot.Object {
	switch {
	case r != s.ref:
		return s.Source.Of(r)
	case s.object == nil:
		return nil
	}
	return []*snapshot.Object{s.object}
}

// modes are what an unknown proxy mode may be, the mildest first: what rests on the
// mode mostly falls with the first of them.
var modes = []dataplane.ProxyMode{dataplane.IPTables, dataplane.NFTables, dataplane.EBPF, dataplane.IPVS}

// split tells what is so whatever the proxy mode is from what rests on it. The rules
// take an unknown mode for the worst; nothing is refused for that alone. What is
// refused in every mode is certain, and as severe as in the mildest.
func (c *change) split(worse []rule.Finding) (certain, onMode []rule.Finding) {
	if c.Facts.Mode != dataplane.ModeUnknown {
		return worse, nil
	}
	mild := mattersOf(c.always(slices.DeleteFunc(slices.Clone(worse), func(f rule.Finding) bool { return f.Severity < refused })))
	for _, f := range worse {
		m, found := mild.find(&f)
		switch {
		case f.Severity < refused:
			certain = append(certain, f)
		case found:
			certain = append(certain, *m)
		default:
			onMode = append(onMode, f)
		}
	}
	return certain, onMode
}

// always keeps the findings for which the request would be refused in every mode,
// each as the mildest of them makes it.
func (c *change) always(findings []rule.Finding) []rule.Finding {
	for _, m := range modes {
		if len(findings) == 0 {
			break
		}
		facts := *c.Facts
		facts.Mode = m
		now := mattersOf(c.worse(&facts))
		var left []rule.Finding
		for _, f := range findings {
			switch m, found := now.find(&f); {
			case !found || m.Severity < refused:
			case m.Severity < f.Severity:
				left = append(left, *m)
			default:
				left = append(left, f)
			}
		}
		findings = left
	}
	return findings
}

// matters are findings by what they are about.
type matters map[matter][]*rule.Finding

type matter struct {
	rule   *rule.Rule
	at     claim.Range
	by     snapshot.Ref // of the first intruder
	field  string
	others int
}

func matterOf(f *rule.Finding) matter {
	m := matter{rule: f.Rule, at: f.Range}
	if who := f.Intruders(); len(who) > 0 {
		m.by, m.field, m.others = who[0].By, who[0].Origin.Field, len(who)
	}
	return m
}

func mattersOf(list []rule.Finding) matters {
	out := matters{}
	for i := range list {
		m := matterOf(&list[i])
		out[m] = append(out[m], &list[i])
	}
	return out
}

// find finds a finding as another mode makes it. Of several that blame the same for the
// same range it is the one about the same owners, if there is one.
func (m matters) find(f *rule.Finding) (*rule.Finding, bool) {
	list := m[matterOf(f)]
	i := slices.IndexFunc(list, func(g *rule.Finding) bool {
		return sameMatter(f, g) && slices.Equal(f.Owners(), g.Owners())
	})
	if i < 0 {
		i = slices.IndexFunc(list, func(g *rule.Finding) bool { return sameMatter(f, g) })
	}
	if i < 0 {
		return nil, false
	}
	return list[i], true
}

// sameMatter reports whether two findings, made in two modes, blame the same claims for
// the same thing.
func sameMatter(a, b *rule.Finding) bool {
	return a.Rule == b.Rule && a.Range == b.Range && slices.EqualFunc(a.Intruders(), b.Intruders(), func(x, y rule.Claimant) bool {
		return claim.Compare(x.Claim, y.Claim) == 0
	})
}

// shown takes out what the site allows, and hides symptoms. A permission of the
// object itself counts only through permit.
func (c *change) shown(findings []rule.Finding, now time.Time) []rule.Finding {
	if len(findings) == 0 {
		return nil
	}
	allows := slices.DeleteFunc(slices.Clone(c.Suppressions), func(a rule.Suppression) bool { return a.Object == c.ref })
	return check.Finish(check.Input{}, check.Result{Findings: findings}, allows, now).Findings
}
