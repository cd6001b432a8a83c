// SPDX-License-Identifier: Apache-2.0

// Package check puts all questions to all rules: which keys to visit, in which
// order, which findings are only symptoms of others, which are suppressed, and
// what a change makes worse.
package check

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"whohas/claim"
	"whohas/rule"
	"whohas/snapshot"
)

// Input is what a check works on. It is only read, by several goroutines at once.
type Input struct {
	View       claim.View
	Facts      *rule.Facts
	Objects    rule.Source
	Coverage   []snapshot.Coverage
	Rules      []*rule.Rule
	Severities map[string]rule.Severity // by rule ID or name: what a site thinks of it
	Weakened   []rule.Weakened          // what a change does to the evidence of its base
	OnlyWorse  bool                     // against a base: permissions for what was there before have nothing to do

	// Ended is asked before each key and each overlap, from several goroutines at once;
	// once it is true no more questions are asked, and
	// the result is no answer. Nil: never.
	Ended func() bool
}

// Result is what a check found. Everything in it is sorted.
type Result struct {
	Findings     []rule.Finding
	Hidden       []rule.Finding // symptoms of findings that are shown
	Suppressed   []Suppressed
	Inconclusive []rule.Inconclusive
}

// Run asks every rule about every key: what is wrong with the addresses. What is
// wrong with the check itself is asked by Finish, once it is known what is shown.
func Run(in Input) Result {
	e := engine{in: in}
	e.visit()
	return e.result()
}

// Finish suppresses what is allowed, hides symptoms, and asks the rules about
// the check itself.
func Finish(in Input, res Result, allows []rule.Suppression, now time.Time) Result {
	all := slices.Concat(res.Findings, res.Hidden)
	keep, allowed, states := suppress(all, allows, now)
	for i := range states {
		states[i].Used = states[i].Used || in.OnlyWorse
	}
	e := engine{in: in, findings: keep, inconclusive: res.Inconclusive, suppressions: states}
	e.cluster()
	res = e.result()
	res.Suppressed = allowed
	return res
}

type engine struct {
	in           Input
	pools        map[claim.Range][]claim.Claim // by their very ranges
	findings     []rule.Finding
	inconclusive []rule.Inconclusive
	suppressions []rule.SuppressionState
}

func (e *engine) rulesOn(kind rule.KeyKind) []*rule.Rule {
	var list []*rule.Rule
	for _, r := range e.in.Rules {
		if r.On == kind {
			list = append(list, r)
		}
	}
	return list
}

// visit asks about every range that is a rule's subject, and about every object
// that claims in such a role. Claims in other roles (the many Pods) are only
// found from there.
func (e *engine) visit() {
	rangeRoles, objectRoles := subjects(e.rulesOn(rule.OnRange)), subjects(e.rulesOn(rule.OnObject))
	ranges := map[claim.Range]bool{}
	objects := map[snapshot.Ref]bool{}
	var pools []claim.Claim
	for c := range e.in.View.In(rangeRoles | objectRoles | claim.Pool) {
		if c.Role&rangeRoles != 0 && c.Range.IsValid() {
			ranges[c.Range] = true
		}
		if c.Role == claim.Pool && c.Range.IsValid() {
			pools = append(pools, c)
		}
		if c.Role&objectRoles != 0 {
			objects[c.By] = true
		}
	}
	keys := make([]rule.Key, 0, len(ranges)+len(objects))
	for r := range ranges {
		keys = append(keys, rule.Key{Range: r})
	}
	for ref := range objects {
		keys = append(keys, rule.Key{Ref: ref})
	}
	e.gather(pools)
	e.share(keys)
	e.overlap(pools, func(claim.Range) bool { return true })
}

// gather lists the pools, of which thousands may lie over each of thousands of
// addresses: a range is asked about with those that are on exactly it. What several
// share is asked about once, as their overlap; what lies in one, from that one.
func (e *engine) gather(pools []claim.Claim) {
	e.pools = map[claim.Range][]claim.Claim{}
	for _, c := range pools {
		e.pools[c.Range] = append(e.pools[c.Range], c)
	}
}

// overlap asks where pools lie over each other.
func (e *engine) overlap(pools []claim.Claim, asked func(claim.Range) bool) {
	p := e.pass()
	list := overlaps(pools, asked)
	for _, r := range e.rulesOn(rule.OnOverlap) {
		for _, o := range list {
			if e.ended() {
				return
			}
			p.Ask(r, rule.Key{Range: o.shared}, o.claims)
		}
	}
}

func (e *engine) ended() bool { return e.in.Ended != nil && e.in.Ended() }

// share has the keys' questions answered on all processors. The answers are sorted
// afterwards, so that it does not show who gave them.
func (e *engine) share(keys []rule.Key) {
	const few = 500 // fewer are not worth a goroutine
	n := max(1, min(runtime.GOMAXPROCS(0), len(keys)/few))
	if n == 1 {
		e.answer(keys)
		return
	}
	parts := make([]engine, n)
	var under sync.WaitGroup
	for i := range parts {
		parts[i] = engine{in: e.in, pools: e.pools, suppressions: e.suppressions}
		mine := keys[i*len(keys)/n : (i+1)*len(keys)/n]
		under.Go(func() { parts[i].answer(mine) })
	}
	under.Wait()
	for _, part := range parts {
		e.findings = append(e.findings, part.findings...)
		e.inconclusive = append(e.inconclusive, part.inconclusive...)
	}
}

func (e *engine) answer(keys []rule.Key) {
	onRange, onObject := e.rulesOn(rule.OnRange), e.rulesOn(rule.OnObject)
	p := e.pass()
	var touching []claim.Claim // one array for all keys: nobody keeps it
	for _, key := range keys {
		if e.ended() {
			return
		}
		rules, claims := onObject, e.in.View.Of(key.Ref)
		if key.Range.IsValid() {
			rules, claims = onRange, e.in.View.OverlappingIn(key.Range, ^claim.Pool)
		}
		touching = slices.AppendSeq(touching[:0], claims)
		touching = append(touching, e.pools[key.Range]...)
		own, met := claim.Roles(0), claim.Roles(0) // of the key's very claims, and of all
		for i := range touching {
			met |= touching[i].Role
			if touching[i].Range == key.Range || !key.Range.IsValid() {
				own |= touching[i].Role
			}
		}
		for _, r := range rules {
			if r.Subject&own != 0 && (r.Against == 0 || r.Against&met != 0) {
				p.Ask(r, key, touching)
			}
		}
	}
}

func subjects(rules []*rule.Rule) claim.Roles {
	roles := claim.Roles(0)
	for _, r := range rules {
		roles |= r.Subject
	}
	return roles
}

func (e *engine) cluster() {
	for _, r := range e.rulesOn(rule.OnCluster) {
		e.pass().Ask(r, rule.Key{}, nil)
	}
}

func (e *engine) pass() *rule.Pass {
	base := rule.Pass{View: e.in.View, Facts: e.in.Facts, Objects: e.in.Objects,
		Coverage: e.in.Coverage, Suppressions: e.suppressions, Rules: e.in.Rules, Inconclusive: e.inconclusive, Weakened: e.in.Weakened}
	return rule.NewPass(base, e.found, func(d rule.Inconclusive) { e.inconclusive = append(e.inconclusive, d) })
}

func (e *engine) found(f rule.Finding) {
	for _, key := range []string{f.Rule.ID, f.Rule.Name} {
		if s, ok := e.in.Severities[key]; ok {
			f.Severity = s
		}
	}
	e.findings = append(e.findings, f)
}

func (e *engine) result() Result {
	// An object that stands in several files says the same of itself from each:
	// the rules ask in the order of claims, so the first file's finding stays.
	slices.SortStableFunc(e.findings, rule.Compare)
	e.findings = slices.CompactFunc(e.findings, func(a, b rule.Finding) bool { return rule.Compare(a, b) == 0 })
	var res Result
	causes := causesOf(e.findings)
	for _, f := range e.findings {
		if causes.explain(f, e.findings) {
			res.Hidden = append(res.Hidden, f)
		} else {
			res.Findings = append(res.Findings, f)
		}
	}
	slices.SortFunc(e.inconclusive, func(a, b rule.Inconclusive) int {
		return cmp.Or(strings.Compare(a.Rule.ID, b.Rule.ID), strings.Compare(a.Need, b.Need))
	})
	res.Inconclusive = slices.Compact(e.inconclusive)
	return res
}

// causes are the findings that may explain others, by rule: the many on one address by
// it, and those on ranges in the order of these.
type causes map[*rule.Rule]*places

func causesOf(findings []rule.Finding) causes {
	c := causes{}
	for i := range findings {
		f := &findings[i]
		if c[f.Rule] == nil {
			c[f.Rule] = &places{}
		}
		c[f.Rule].add(f.Range, i)
	}
	return c
}

// explain reports whether another finding explains this one: a rule that it comes
// after speaks of the same address, is at least as severe, and blames everybody
// whom this one blames.
func (c causes) explain(f rule.Finding, among []rule.Finding) bool {
	if len(f.Rule.After) == 0 {
		return false
	}
	intruders := f.Intruders()
	for _, r := range f.Rule.After {
		if c[r] == nil || !f.Range.IsValid() {
			continue
		}
		for i := range c[r].meeting(f.Range) {
			if cause := &among[i]; cause.Severity >= f.Severity && blames(cause, intruders) {
				return true
			}
		}
	}
	return false
}

func blames(cause *rule.Finding, intruders []rule.Claimant) bool {
	accused := map[snapshot.Ref]bool{}
	for i := range cause.Claimants {
		if c := &cause.Claimants[i]; c.Part == rule.Intruder || c.Part == rule.Rival {
			accused[c.Owner] = true
		}
	}
	return !slices.ContainsFunc(intruders, func(c rule.Claimant) bool { return !accused[c.Owner] })
}
