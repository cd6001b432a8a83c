// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"whohas/check"
	"whohas/claim"
	"whohas/guard"
	"whohas/snapshot"
	"whohas/testkit/randcluster"
)

// covered are the kinds of the random worlds that a guard looks at.
var covered = []string{"Service", "IPAddressPool", "IPPool", "ServiceCIDR", "Gateway"}

// refOf finds a thing's name in a snapshot.
func refOf(s *snapshot.Snapshot, o randcluster.Object) *snapshot.Object {
	at := slices.IndexFunc(s.Objects, func(x *snapshot.Object) bool {
		return x.Ref.Kind == o.Kind && x.Ref.Name == o.Name && (o.Traits["namespace"] == "" || x.Ref.Namespace == o.Traits["namespace"])
	})
	if at < 0 {
		return nil
	}
	return s.Objects[at]
}

// anyCovered draws the place of a covered object in a world, or skips.
func anyCovered(t *rapid.T, w randcluster.Cluster) int {
	var at []int
	for i, o := range w.Objects {
		if slices.Contains(covered, o.Kind) {
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		t.Skip("nothing is covered")
	}
	return rapid.SampledFrom(at).Draw(t, "object")
}

// TestEqualsTheWholeCheck changes, or creates, one object of a random world: the
// decision is what the whole check says is worse.
func TestEqualsTheWholeCheck(t *testing.T) {
	refusals := 0
	rapid.Check(t, func(t *rapid.T) {
		w := randcluster.Random().Draw(t, "world")
		i := anyCovered(t, w)
		now := w.Objects[i]
		was := randcluster.Any(now.Kind, 0).Draw(t, "before")
		was.Name = now.Name
		if ns := now.Traits["namespace"]; ns != "" {
			was.Traits["namespace"] = ns
		}
		request := guard.Request{Operation: guard.Create, Now: today}
		before, after := w.Without(i).Input(t), w.Input(t)
		if rapid.Bool().Draw(t, "update") {
			if reduces(was, now) {
				t.Skip("a reduction passes whatever the rules say: TestReductionPasses")
			}
			before = w.With(i, was).Input(t)
			request.Operation = guard.Update
			request.Before = refOf(before.Objects.(*snapshot.Snapshot), was)
		}
		request.After = refOf(after.Objects.(*snapshot.Snapshot), now)
		after.Facts = before.Facts
		st := guard.State{Input: rapid.SampledFrom([]check.Input{before, after}).Draw(t, "state")}
		d := guard.Decide(st, request)
		if diff := cmp.Diff(expected(before, after, nil, today), said(d)); diff != "" {
			t.Fatalf("%vbecomes %v (-whole check +guard):\n%s", w, now, diff)
		}
		refusals += len(d.Refusals)
	})
	if refusals == 0 {
		t.Error("no random request is refused")
	}
}

// reduces reports whether an object claims no more than it did, and is otherwise the same.
func reduces(was, now randcluster.Object) bool {
	if !maps.Equal(was.Traits, now.Traits) {
		return false
	}
	return !slices.ContainsFunc(now.Claims, func(c randcluster.Claim) bool {
		return !slices.ContainsFunc(was.Claims, func(o randcluster.Claim) bool {
			less, err := claim.ParseRange(c.Text)
			more, err2 := claim.ParseRange(o.Text)
			return c == o || err == nil && err2 == nil && c.Field == o.Field && more.Covers(less)
		})
	})
}

// TestReductionPasses takes a claim, or a part of one, from an object of a random
// world: a repair.
func TestReductionPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := randcluster.Random().Draw(t, "world")
		i := anyCovered(t, w)
		o := w.Objects[i]
		if len(o.Claims) == 0 {
			t.Skip("it claims nothing")
		}
		k := rapid.IntRange(0, len(o.Claims)-1).Draw(t, "claim")
		less := o.WithoutClaim(k)
		if r, err := claim.ParseRange(o.Claims[k].Text); err == nil && !r.IsSingle() && rapid.Bool().Draw(t, "a part") {
			less.Claims = append(less.Claims, randcluster.Claim{Field: o.Claims[k].Field, Text: part(t, r)})
		}
		in := w.Input(t)
		before := in.Objects.(*snapshot.Snapshot)
		after := w.With(i, less).Snapshot(t)
		request := guard.Request{Operation: guard.Update, Before: refOf(before, o), After: refOf(after, o), Now: today}
		if d := guard.Decide(guard.State{Input: in}, request); len(said(d)) > 0 {
			t.Fatalf("%vbecomes %v: %v", w, less, said(d))
		}
	})
}

// part is a part of a range as a pool and a CIDR field can hold it.
func part(t *rapid.T, r claim.Range) string {
	p, ok := r.Prefix()
	if !ok {
		return fmt.Sprint(r.To)
	}
	low, high, _ := halves(claim.PrefixRange(p))
	return rapid.SampledFrom([]claim.Range{low, high}).Draw(t, "half").String()
}

// halves splits a range of a power of two addresses.
func halves(r claim.Range) (low, high claim.Range, ok bool) {
	mid := r.From
	for p := range r.Prefixes() {
		for n := 1 << (p.Addr().BitLen() - p.Bits() - 1); n > 1; n-- {
			mid = mid.Next()
		}
		return claim.Range{From: r.From, To: mid}, claim.Range{From: mid.Next(), To: r.To}, true
	}
	return r, r, false
}

// TestAlwaysPasses: deletion, and saying again what was said, also with another
// label, whatever conflicts there are.
func TestAlwaysPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := randcluster.Random().Draw(t, "world")
		i := anyCovered(t, w)
		in := w.Input(t)
		o := refOf(in.Objects.(*snapshot.Snapshot), w.Objects[i])
		labelled := *o
		labelled.Root.Keyset = snapshot.KeysetOf(append(slices.Clone(o.Root.Keys()), "note")...)
		labelled.Root.Items = append(slices.Clone(o.Root.Items), snapshot.Value{Kind: snapshot.String, Text: "x"})
		for _, r := range []guard.Request{
			{Operation: "DELETE", Before: o, Now: today},
			{Operation: guard.Update, Before: o, After: o, Now: today},
			{Operation: guard.Update, Before: o, After: &labelled, Now: today},
			{Operation: guard.Update, Subresource: "status", After: &labelled, Now: today},
		} {
			if d := guard.Decide(guard.State{Input: in}, r); len(said(d)) > 0 {
				t.Fatalf("%s of %s: %v", r.Operation, o.Ref, said(d))
			}
		}
	})
}

// TestOrderDoesNotMatter asks in a world whose objects stand in another order, and
// in a register instead of a view.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := randcluster.Random().Draw(t, "world")
		i := anyCovered(t, w)
		shuffled := w
		shuffled.Objects = rapid.Permutation(w.Objects).Draw(t, "order")
		a, b := w.Input(t), shuffled.Input(t)
		b.Facts = a.Facts
		r := claim.NewRegister(0)
		for c := range b.View.All() {
			r.Add(c)
		}
		b.View = r
		request := guard.Request{Operation: guard.Create, After: refOf(a.Objects.(*snapshot.Snapshot), w.Objects[i]), Now: today}
		x, y := guard.Decide(guard.State{Input: a}, request), guard.Decide(guard.State{Input: b}, request)
		if x.Message() != y.Message() || !slices.Equal(x.Notes(), y.Notes()) {
			t.Fatalf("%s\n%s\nor\n%s\n%s", x.Message(), x.Notes(), y.Message(), y.Notes())
		}
	})
}

// FuzzDecide: whatever an object looks like, there is a decision, and deleting it
// passes; what is refused says why.
func FuzzDecide(f *testing.F) {
	st := state(f, "", cdev01, cdev02, pool, dns, cidr, other)
	for _, text := range []string{
		service("", stolen, ingress), pool, cidr, configMap("metallb-system", "config", "layer2", "192.168.10.0/24"),
		`{"kind":"Service"}`, `{"apiVersion":"v1","kind":"Service","metadata":[],"spec":"x","status":null}`,
		`{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","endpoints":[{"addresses":["x",1,null,"::1"]}],"ports":[{"port":"a"},{}]}`,
		`{"apiVersion":"metallb.io/v1beta1","kind":"IPAddressPool","spec":{"addresses":["10.0.0.9-10.0.0.1","::/0","0.0.0.0/0","a-b-c",""]}}`,
		`{"apiVersion":"v1","kind":"Service","spec":{"type":"LoadBalancer","externalIPs":[["192.168.10.114"],{"a":1},"fe80::1%eth0","192.168.010.114"],"ports":[{"port":99999999999999999999}]}}`,
		`{"apiVersion":"v1","kind":"Service","metadata":{"annotations":{"whohas.io/allow":";;\n{rule: WH101","metallb.io/loadBalancerIPs":",,192.168.10.114,{{x}}"}},"spec":{"type":"LoadBalancer","externalIPs":["192.168.10.114"]}}`,
		`{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","spec":{"addresses":[{"value":"192.168.10.114","type":1}]}}`, `[]`, `null`, `7`,
	} {
		f.Add([]byte(text), []byte(service("", clean, "")), true)
	}
	f.Fuzz(func(t *testing.T, after, before []byte, override bool) {
		a, err := decoded(after)
		if err != nil {
			return
		}
		b, _ := decoded(before)
		for _, r := range []guard.Request{
			{Operation: guard.Create, After: a, MayOverride: override, Now: today},
			{Operation: guard.Update, Before: b, After: a, MayOverride: override, Now: today.AddDate(9, 0, 0)},
			{Operation: guard.Update, Subresource: "status", Before: a, After: a, Now: time.Time{}},
		} {
			d := guard.Decide(st, r)
			if d.Allowed == (len(d.Refusals) > 0) || d.Allowed == (d.Message() != "") {
				t.Errorf("allowed %v with %d refusals and %q", d.Allowed, len(d.Refusals), d.Message())
			}
			for _, n := range d.Notes() {
				if len(n) > 256 {
					t.Errorf("a note of %d bytes", len(n))
				}
			}
			if r.Before == r.After && len(said(d)) > 0 {
				t.Errorf("the same again: %v", said(d))
			}
		}
		if d := guard.Decide(st, guard.Request{Operation: "DELETE", Before: a}); !d.Allowed {
			t.Error("a deletion is refused")
		}
	})
}
