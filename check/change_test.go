// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"whohas/check"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/rules"
	"whohas/testkit/randcluster"
)

// TestChangeCannotExcuseItself: whatever else a change brings beside its own claims,
// nothing that is found of them vanishes or becomes milder.
func TestChangeCannotExcuseItself(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		base, other := randcluster.Random().Draw(t, "base"), randcluster.Random().Draw(t, "change")
		alone, more := other, other
		alone.Objects = slices.DeleteFunc(slices.Clone(other.Objects), func(o randcluster.Object) bool {
			return !slices.Contains([]string{"Service", "IPAddressPool", "Gateway", "EndpointSlice"}, o.Kind)
		})
		worse := func(w randcluster.Cluster) []rule.Finding {
			change := w.Snapshot(t)
			r := check.Compare(base.Snapshot(t), change, check.Terms{Mode: base.Mode, Rules: rules.All()}).Worse
			return slices.Concat(r.Findings, r.Hidden)
		}
		was, is := worse(alone), worse(more)
		found += len(was)
		for i := range was {
			if !stillSaid(&was[i], is) {
				t.Fatalf("lost or milder: %s %s %s %v\nbase %schange %sfound there %v", was[i].Rule.ID, was[i].Severity, was[i].Place(), was[i].Owners(), base, more, at(&was[i], is))
			}
		}
	})
	if found == 0 {
		t.Error("no change was found fault with")
	}
}

// TestAnotherReading: another reading of a host in a change, in which the address is on a
// card, does not excuse what the change's Services do to it (found by the property above).
func TestAnotherReading(t *testing.T) {
	address := func(field string) []randcluster.Claim { return []randcluster.Claim{{Field: field, Text: "10.0.0.0"}} }
	base := randcluster.Cluster{Mode: dataplane.IPVS, Objects: []randcluster.Object{
		{Kind: "Node", Name: "no1", Claims: append(address("projectcalico.org/IPv4IPIPTunnelAddr"), randcluster.Claim{Field: "InternalIP", Text: "10.0.0.1"})},
		{Kind: "Host", Name: "ho0", Claims: address(kubeproxy.IPVSDevice)},
	}}
	change := randcluster.Cluster{Objects: []randcluster.Object{
		{Kind: "Service", Name: "se0", Traits: map[string]string{"ports": "80/TCP"}, Claims: address("clusterIP")},
		{Kind: "Host", Name: "ho0", Claims: address("eth0")},
	}}
	r := check.Compare(base.Snapshot(t), change.Snapshot(t), check.Terms{Mode: base.Mode, Rules: rules.All()}).Worse
	for _, f := range slices.Concat(r.Findings, r.Hidden) {
		if f.Rule == rules.StolenAddress && f.Severity == rule.Critical && slices.Contains(f.Owners(), "|Service default/se0") {
			return
		}
	}
	t.Errorf("it is excused: %v", r.Findings)
}

// stillSaid reports whether a finding is there yet, as severe and against as many.
func stillSaid(f *rule.Finding, all []rule.Finding) bool {
	return slices.ContainsFunc(all, func(o rule.Finding) bool {
		if o.Rule != f.Rule || o.Range != f.Range || o.Severity < f.Severity {
			return false
		}
		owners := o.Owners()
		return !slices.ContainsFunc(f.Owners(), func(n string) bool { return !slices.Contains(owners, n) })
	})
}

// at lists what is found at the place of a finding.
func at(f *rule.Finding, all []rule.Finding) []string {
	var out []string
	for _, o := range all {
		if o.Range.Overlaps(f.Range) {
			out = append(out, fmt.Sprint(o.Rule.ID, " ", o.Severity, " ", o.Place(), " ", o.Owners()))
		}
	}
	return out
}
