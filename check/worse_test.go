// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"whohas/check"
	"whohas/claim"
	"whohas/dataplane"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/testkit/randcluster"
	"whohas/testkit/scenario"
)

// finding makes a finding for tables: intruders, then owners.
func finding(r *rule.Rule, s rule.Severity, place string, intruders, owners string) rule.Finding {
	f := rule.Finding{Rule: r, Severity: s}
	if place != "" {
		f.Range, _ = claim.ParseRange(place)
	}
	for part, names := range map[rule.Part]string{rule.Intruder: intruders, rule.Owner: owners} {
		for n := range strings.FieldsSeq(names) {
			ref := snapshot.Ref{Kind: "Service", Name: n}
			f.Claimants = append(f.Claimants, rule.Claimant{Claim: claim.Claim{Range: f.Range, By: ref, Owner: ref}, Part: part})
		}
	}
	return f
}

// rivals makes a finding among equals.
func rivals(r *rule.Rule, s rule.Severity, place, names string) rule.Finding {
	f := finding(r, s, place, names, "")
	for i := range f.Claimants {
		f.Claimants[i].Part = rule.Rival
	}
	return f
}

// witnessed adds a host that shows that an intruder has the address.
func witnessed(f rule.Finding, intruder string) rule.Finding {
	c := rule.Claimant{Claim: claim.Claim{Range: f.Range, By: snapshot.Ref{Kind: "Host", Name: "h"}, Owner: snapshot.Ref{Kind: "Service", Name: intruder}}, Part: rule.Witness}
	f.Claimants = append(f.Claimants, c)
	return f
}

func TestWorse(t *testing.T) {
	const ip = "10.0.0.1"
	cause, other := rules.ExternalIPIsNode, rules.LBIPIsNode
	shown := func(f ...rule.Finding) check.Result { return check.Result{Findings: f} }
	hidden := func(f ...rule.Finding) check.Result { return check.Result{Hidden: f} }
	both := func(f, symptom rule.Finding) check.Result {
		return check.Result{Findings: []rule.Finding{f}, Hidden: []rule.Finding{symptom}}
	}
	for name, tt := range map[string]struct {
		before, after check.Result
		worse         bool
	}{
		"nothing changed": {
			shown(finding(cause, rule.Error, ip, "a", "node")),
			shown(finding(cause, rule.Error, ip, "a", "node")), false,
		},
		"all gone": {
			shown(finding(cause, rule.Error, ip, "a", "node")),
			shown(), false,
		},
		"new": {
			shown(),
			shown(finding(cause, rule.Info, ip, "a", "node")), true,
		},
		"one of two is gone": {
			shown(finding(cause, rule.Error, ip, "a b", "node")),
			shown(finding(cause, rule.Error, ip, "a", "node")), false,
		},
		"a second joins": {
			shown(finding(cause, rule.Error, ip, "a", "node")),
			shown(finding(cause, rule.Error, ip, "a b", "node")), true,
		},
		"another in its place": {
			shown(finding(cause, rule.Error, ip, "a", "node")),
			shown(finding(cause, rule.Error, ip, "b", "node")), true,
		},
		"another owner": {
			shown(finding(cause, rule.Error, ip, "a", "node")),
			shown(finding(cause, rule.Error, ip, "a", "node pod")), true,
		},
		"escalates": {
			shown(finding(cause, rule.Warning, ip, "a b", "node")),
			shown(finding(cause, rule.Critical, ip, "a", "node")), true,
		},
		"milder": {
			shown(finding(cause, rule.Critical, ip, "a", "node")),
			shown(finding(cause, rule.Warning, ip, "a", "node")), false,
		},
		"another address": {
			shown(finding(cause, rule.Error, ip, "a", "node")),
			shown(finding(cause, rule.Error, "10.0.0.2", "a", "node")), true,
		},
		"another rule": {
			shown(finding(cause, rule.Error, ip, "a", "node")),
			shown(finding(other, rule.Error, ip, "a", "node")), true,
		},
		"a symptom comes to light": {
			both(finding(cause, rule.Error, ip, "a", "node"), finding(other, rule.Error, ip, "a", "node")),
			shown(finding(other, rule.Error, ip, "a", "node")), false,
		},
		"a symptom comes to light worse": {
			hidden(finding(other, rule.Warning, ip, "a", "node")),
			shown(finding(other, rule.Error, ip, "a", "node")), true,
		},
		"it becomes a symptom": {
			shown(finding(other, rule.Error, ip, "a", "node")),
			hidden(finding(other, rule.Error, ip, "a", "node")), false,
		},
		"a new symptom": {
			shown(finding(cause, rule.Error, ip, "a", "node")),
			both(finding(cause, rule.Error, ip, "a", "node"), finding(other, rule.Error, ip, "a", "node")), true,
		},
		"a pool shrinks": {
			shown(finding(other, rule.Error, "10.0.0.0/24", "pool", "n1 n2")),
			shown(finding(other, rule.Error, "10.0.0.0/25", "pool", "n1")), false,
		},
		"a pool grows": {
			shown(finding(other, rule.Error, "10.0.0.0/25", "pool", "n1")),
			shown(finding(other, rule.Error, "10.0.0.0/24", "pool", "n1")), true,
		},
		"a pool shrinks, a node joins": {
			shown(finding(other, rule.Error, "10.0.0.0/24", "pool", "n1")),
			shown(finding(other, rule.Error, "10.0.0.0/25", "pool", "n1 n2")), true,
		},
		"two findings become one": {
			shown(finding(other, rule.Error, "10.0.0.0/31", "pool", "range"), finding(other, rule.Warning, ip, "a", "range")),
			shown(finding(other, rule.Error, ip, "a pool", "range")), false,
		},
		"no address": {
			shown(finding(other, rule.Error, "", "a", "")),
			shown(finding(other, rule.Error, "", "a", "")), false,
		},
		"no address, another object": {
			shown(finding(other, rule.Error, "", "a", "")),
			shown(finding(other, rule.Error, "", "b", "")), true,
		},
		"a rival leaves": {
			shown(rivals(other, rule.Error, ip, "a b c")),
			shown(rivals(other, rule.Error, ip, "a c")), false,
		},
		"rivals that never met": {
			shown(rivals(other, rule.Error, ip, "a b"), rivals(other, rule.Error, ip, "b c")),
			shown(rivals(other, rule.Error, ip, "a c")), true,
		},
		"a pool that shrinks joins a finding in which a kernel bears witness of an intruder": {
			shown(finding(other, rule.Critical, "10.0.0.0/28", "pool", "node"), witnessed(finding(other, rule.Critical, ip, "a", "node"), "a")),
			shown(witnessed(finding(other, rule.Critical, ip, "a pool", "node"), "a")), false,
		},
		"a mild one hides no escalation": {
			shown(finding(other, rule.Critical, "10.0.0.0/24", "pool", "node"), finding(other, rule.Warning, ip, "a", "node")),
			shown(finding(other, rule.Critical, ip, "a", "node")), true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			worse := check.Worse(tt.before, tt.after)
			if got := len(worse.Findings)+len(worse.Hidden) > 0; got != tt.worse {
				t.Errorf("worse: %v, want %v", got, tt.worse)
			}
			if again := check.Worse(tt.after, tt.after); len(again.Findings)+len(again.Hidden) > 0 {
				t.Error("a result is worse than itself")
			}
		})
	}
}

// TestRemovingMakesNothingWorse: a guard must never stand between an operator
// and the repair.
func TestRemovingMakesNothingWorse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := randcluster.Random().Draw(t, "world")
		if !slices.ContainsFunc(w.Objects, func(o randcluster.Object) bool { return o.Kind != "Host" }) {
			t.Skip("nothing to remove")
		}
		after := removal(t, w)
		was, is := w.Input(t), after.Input(t)
		before := check.Run(was)
		worse := check.Worse(before, check.Run(is))
		all := slices.DeleteFunc(slices.Concat(worse.Findings, worse.Hidden), func(f rule.Finding) bool { return known(was, is, &f) })
		if len(all) > 0 {
			t.Fatalf("before: %vafter: %vworse: %q\nbefore: %q\nhidden: %q", w, after, scenario.Summaries(all),
				scenario.Summaries(before.Findings), scenario.Summaries(before.Hidden))
		}
	})
}

// known reports whether a finding comes to light by a removal for a reason that is
// known; TestKnownWorse shows each. Whoever mends one takes it out here and there.
func known(was, is check.Input, f *rule.Finding) bool {
	// These leave the addresses of nodes to WH101 to WH104, and say so by silence:
	// they speak as soon as the node is gone.
	silent := []*rule.Rule{rules.SharedWithoutAgreement, rules.ClaimsControlPlane, rules.ClaimsReserved}
	if slices.Contains(silent, f.Rule) {
		for c := range was.View.Overlapping(f.Range) {
			if c.Role == claim.Host {
				return true
			}
		}
	}
	// A Service's own ClusterIP is nobody else's, and WH204 passes over it: it speaks once
	// the Service has lost it. An apiserver takes no ClusterIP from a Service that has one
	// (kubernetes pkg/apis/core/validation/validation.go ValidateServiceUpdate).
	if f.Rule == rules.VIPInServiceCIDR {
		for _, i := range f.Intruders() {
			for c := range was.View.Of(i.By) {
				if c.Role == claim.ClusterIP && c.Range.Overlaps(f.Range) {
					return true
				}
			}
		}
	}
	// What makes a finding milder, and only Nodes tell (k3s; that there is but one
	// node), is not known without any, where something else still tells of hosts.
	return len(was.Facts.Nodes) > 0 && len(is.Facts.Nodes) == 0
}

// TestKnownWorse shows what known leaves out, each with the removal that brings
// it to light. One that no longer does is mended: it goes from both places.
func TestKnownWorse(t *testing.T) {
	svc := func(name, proxy, field string) randcluster.Object {
		return randcluster.Object{Kind: "Service", Name: name, Traits: map[string]string{"ports": "80/TCP", "namespace": "default", "proxy": proxy}, Claims: []randcluster.Claim{{Field: field, Text: "10.0.0.1"}}}
	}
	node := randcluster.Object{Kind: "Node", Name: "n1", Claims: []randcluster.Claim{{Field: "InternalIP", Text: "10.0.0.1"}}}
	other := randcluster.Object{Kind: "Node", Name: "n2", Claims: []randcluster.Claim{{Field: "InternalIP", Text: "10.0.0.9"}}}
	hostPod := randcluster.Object{Kind: "Pod", Name: "p", Traits: map[string]string{"hostNetwork": "yes", "node": "n1"}, Claims: []randcluster.Claim{{Field: "podIP", Text: "10.0.0.1"}}}
	web := svc("web", "", "externalIP")
	own := svc("web", "", "externalIP")
	own.Claims = append(own.Claims, randcluster.Claim{Field: "clusterIP", Text: "10.0.0.1"})
	for name, tt := range map[string]struct {
		world randcluster.Cluster
		less  func(randcluster.Cluster) randcluster.Cluster
		want  string
	}{
		"WH202 is silent at a node's address": {
			randcluster.Cluster{Objects: []randcluster.Object{node, other, web, svc("wish", "", "loadBalancerIP")}}, func(w randcluster.Cluster) randcluster.Cluster { return w.Without(0) },
			"WH202 error 10.0.0.1 | Service default/web, Service default/wish",
		},
		"WH106 is silent at a node's address": {
			randcluster.Cluster{Objects: []randcluster.Object{node, other, web, {Kind: "ClusterConfiguration", Name: "c", Claims: []randcluster.Claim{{Field: "endpoint", Text: "10.0.0.1:6443"}}}}},
			func(w randcluster.Cluster) randcluster.Cluster { return w.Without(0) },
			"WH106 error 10.0.0.1 | ClusterConfiguration c, Service default/web",
		},
		"WH108 is silent at a node's address": {
			randcluster.Cluster{Objects: []randcluster.Object{node, other, {Kind: "IPAddressPool", Name: "pool", Claims: []randcluster.Claim{{Field: "address", Text: "10.0.0.1-10.0.0.2"}}}, {Kind: "BGPPeer", Name: "tor", Claims: []randcluster.Claim{{Field: "peer", Text: "10.0.0.1"}}}}},
			func(w randcluster.Cluster) randcluster.Cluster { return w.Without(0) },
			"WH108 error 10.0.0.1-10.0.0.2 | BGPPeer default/tor, IPAddressPool default/pool",
		},
		"the only Node tells that it is the only one": {
			randcluster.Cluster{Complete: true, Objects: []randcluster.Object{node, hostPod, web}}, func(w randcluster.Cluster) randcluster.Cluster { return w.Without(0) },
			"WH101 warning 10.0.0.1 | Pod default/p, Service default/web",
		},
		"the only Node tells that this is k3s": {
			randcluster.Cluster{K3s: true, Objects: []randcluster.Object{node, hostPod, svc("web", "", "ingress")}}, func(w randcluster.Cluster) randcluster.Cluster { return w.Without(0) },
			"WH102 error 10.0.0.1 | Pod default/p, Service default/web",
		},
		"WH204 is silent at a Service's own ClusterIP": {
			randcluster.Cluster{Objects: []randcluster.Object{own, {Kind: "ServiceCIDR", Name: "c", Claims: []randcluster.Claim{{Field: "cidr", Text: "10.0.0.0/28"}}}}},
			func(w randcluster.Cluster) randcluster.Cluster { return w.With(0, own.WithoutClaim(1)) },
			"WH204 error 10.0.0.1 | Service default/web, ServiceCIDR c",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.world.Mode = dataplane.IPTables
			was, is := tt.world.Input(t), tt.less(tt.world).Input(t)
			worse := check.Worse(check.Run(was), check.Run(is))
			all := slices.Concat(worse.Findings, worse.Hidden)
			if diff := cmp.Diff([]string{tt.want}, scenario.Summaries(all)); diff != "" {
				t.Fatalf("worse (-want +got):\n%s", diff)
			}
			if !known(was, is, &all[0]) {
				t.Error("known does not know it")
			}
		})
	}
}

// removal takes one object, one claim, or a part of a pool out of a world.
func removal(t *rapid.T, w randcluster.Cluster) randcluster.Cluster {
	// A kernel claims nothing that could be taken back: it shows what is so.
	at := rapid.IntRange(0, len(w.Objects)-1).Filter(func(i int) bool { return w.Objects[i].Kind != "Host" })
	i := at.Draw(t, "object")
	o := w.Objects[i]
	if len(o.Claims) == 0 || rapid.Bool().Draw(t, "whole object") {
		return w.Without(i)
	}
	k := rapid.IntRange(0, len(o.Claims)-1).Draw(t, "claim")
	if isRange := map[string]bool{"IPAddressPool": true, "IPPool": true, "ServiceCIDR": true}; isRange[o.Kind] && rapid.Bool().Draw(t, "part of the range") {
		return w.With(i, lessOf(t, o, k))
	}
	return w.With(i, o.WithoutClaim(k))
}

// lessOf takes one address out of a pool's entry, or all but a part of a range.
func lessOf(t *rapid.T, o randcluster.Object, k int) randcluster.Object {
	r, err := claim.ParseRange(o.Claims[k].Text)
	if err != nil {
		t.Fatal(err)
	}
	ip := r.From
	for range rapid.IntRange(0, 15).Draw(t, "address of the range") {
		if ip != r.To {
			ip = ip.Next()
		}
	}
	less := o.WithoutClaim(k)
	if o.Kind != "IPAddressPool" {
		bits := rapid.IntRange(28, 32).Draw(t, "bits of the part")
		part := claim.PrefixRange(netip.PrefixFrom(ip, bits))
		if r.Covers(part) {
			r = part
		}
		less.Claims = append(less.Claims, randcluster.Claim{Field: o.Claims[k].Field, Text: r.String()})
		return less
	}
	for _, left := range r.Without(claim.Single(ip)) {
		less.Claims = append(less.Claims, randcluster.Claim{Field: "address", Text: left.From.String() + "-" + left.To.String()})
	}
	return less
}

// TestWorseKindred: a pool that shrinks until it lies wholly inside a ServiceCIDR
// is told by another rule (WH302, then WH204), and is no worse.
func TestWorseKindred(t *testing.T) {
	pool := func(place string) randcluster.Object {
		return randcluster.Object{Kind: "IPAddressPool", Name: "pool", Claims: []randcluster.Claim{{Field: "address", Text: place}}}
	}
	cidr := randcluster.Object{Kind: "ServiceCIDR", Name: "s", Claims: []randcluster.Claim{{Field: "cidr", Text: "10.0.0.8/29"}}}
	was := randcluster.Cluster{Mode: dataplane.IPTables, Objects: []randcluster.Object{pool("10.0.0.4-10.0.0.11"), cidr}}
	is := was.With(0, pool("10.0.0.8-10.0.0.11"))
	before, after := check.Run(was.Input(t)), check.Run(is.Input(t))
	if len(before.Findings) == 0 || len(after.Findings) == 0 || before.Findings[0].Rule == after.Findings[0].Rule {
		t.Fatalf("not two rules: %v, then %v", scenario.Summaries(before.Findings), scenario.Summaries(after.Findings))
	}
	if worse := check.Worse(before, after); len(worse.Findings)+len(worse.Hidden) > 0 {
		t.Errorf("worse: %v", scenario.Summaries(slices.Concat(worse.Findings, worse.Hidden)))
	}
	less := check.Run(was.With(0, pool("10.0.0.4-10.0.0.9")).Input(t))
	if worse := check.Worse(less, before); len(worse.Findings) == 0 {
		t.Error("a pool that takes more of the ServiceCIDR is not worse")
	}
}

// TestWorseApart: a finding on two ranges that shrink apart grows, by what lies
// between them, and is no worse.
func TestWorseApart(t *testing.T) {
	world := func(second string) randcluster.Cluster {
		return randcluster.Cluster{Mode: dataplane.IPVS, Objects: []randcluster.Object{
			{Kind: "IPAddressPool", Name: "pool", Claims: []randcluster.Claim{{Field: "address", Text: "10.0.0.0/28"}}},
			{Kind: "ServiceCIDR", Name: "s", Claims: []randcluster.Claim{{Field: "cidr", Text: "10.0.0.12/30"}, {Field: "cidr", Text: second}}},
		}}
	}
	was, is := check.Run(world("10.0.0.8/29").Input(t)), check.Run(world("10.0.0.8/31").Input(t))
	if got := is.Findings[0].Range; !got.Covers(was.Findings[0].Range) || got == was.Findings[0].Range {
		t.Fatalf("%s became %s: it did not grow", was.Findings[0].Range, got)
	}
	if worse := check.Worse(was, is); len(worse.Findings)+len(worse.Hidden) > 0 {
		t.Errorf("worse: %v", scenario.Summaries(worse.Findings))
	}
}
