// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/events"

	"whohas/claim"
	"whohas/rule"
	"whohas/snapshot"
)

// many is a round of n findings, each on one Service.
func many(n int) *Round {
	r := &Round{Taken: time.Unix(1_800_000_000, 0)}
	of := &rule.Rule{ID: "WH101", Name: "external-ip-is-node"}
	for i := range n {
		ref := snapshot.Ref{Kind: "Service", Namespace: "demo", Name: fmt.Sprintf("s%d", i)}
		r.Findings = append(r.Findings, rule.Finding{Rule: of, Severity: rule.Critical, Range: claim.Single(netip.MustParseAddr("192.168.10.114")),
			Title: strings.Repeat("ä", 2000), Claimants: []rule.Claimant{{Claim: claim.Claim{By: ref, Owner: ref}}}})
	}
	r.Fresh = r.Findings
	return r
}

// TestManyConflicts: ten thousand at once are bounded, and what is left out is counted.
func TestManyConflicts(t *testing.T) {
	recorder, dropped := events.NewFakeRecorder(20000), 0
	if err := (&Events{Recorder: recorder, Dropped: func(n int) { dropped += n }}).Publish(t.Context(), many(10000)); err != nil {
		t.Fatal(err)
	}
	if sent := len(recorder.Events); sent != mostEvents || dropped != 10000-mostEvents {
		t.Errorf("%d Events sent, %d dropped", sent, dropped)
	}
	o := (&Reports{name: "whohas"}).report(openReport, many(10000))
	if got := len(o.Object["results"].([]any)); got != mostResults {
		t.Errorf("%d results", got)
	}
	if left := o.GetAnnotations()["whohas.io/left-out"]; left != "9000" {
		t.Errorf("left out: %q", left)
	}
	if fail := o.Object["summary"].(map[string]any)["fail"]; fail != int64(10000) {
		t.Errorf("summary: %v", fail)
	}
}

func TestNoteFits(t *testing.T) {
	f := many(1).Findings[0]
	if text := note(&f); len(text) > noteSize || !strings.HasSuffix(text, "...") || !strings.HasPrefix(text, "WH101 critical: ") || strings.ContainsRune(text, '\uFFFD') {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}

// TestQuietAfterwards: what was found before is not told again.
func TestQuietAfterwards(t *testing.T) {
	known := fingerprints(many(3).Findings)
	if len(known) != 3 || known["other"] {
		t.Errorf("known %v", known)
	}
	if got := concerned(&rule.Finding{Claimants: []rule.Claimant{
		{Claim: claim.Claim{By: snapshot.Ref{Kind: "Host", Name: "cdev02"}, Owner: snapshot.Ref{Kind: "Node", Name: "cdev02"}}},
		{Claim: claim.Claim{By: snapshot.Ref{Kind: "Declared", Name: "dns"}, Owner: snapshot.Ref{Kind: "Declared", Name: "dns"}}},
	}}); len(got) != 1 || got[0].String() != "Node cdev02" {
		t.Errorf("concerned %v", got)
	}
}
