// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"unicode"

	"whohas/rule"
	"whohas/snapshot"

	core "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
)

// mostEvents bounds those of one round: 10,000 conflicts at once are one story, which
// metrics and the report tell. What is not told is counted.
const mostEvents = 100

// Events tells of each new finding on the objects that it is about.
type Events struct {
	Recorder events.EventRecorder
	Dropped  func(n int) // told how many were not sent; nil: nobody
}

// Publish implements Publisher. The recorder's queue drops what it cannot take.
func (e *Events) Publish(_ context.Context, r *Round) error {
	sent, dropped := 0, 0
	for i := range r.Fresh {
		f := &r.Fresh[i]
		if f.Severity < rule.Warning {
			continue
		}
		on := concerned(f)
		if sent+len(on) > mostEvents {
			dropped += len(on)
			continue
		}
		for _, ref := range on {
			e.Recorder.Eventf(Reference(ref), nil, core.EventTypeWarning, Reason(f.Rule), "Audit", "%s", note(f))
			sent++
		}
	}
	if dropped > 0 && e.Dropped != nil {
		e.Dropped(dropped)
	}
	return nil
}

// Reason is a rule's name as an Event's reason: ExternalIpIsNode.
func Reason(r *rule.Rule) string {
	var b strings.Builder
	for part := range strings.SplitSeq(r.Name, "-") {
		for i, c := range part {
			if i == 0 {
				c = unicode.ToUpper(c)
			}
			b.WriteRune(c)
		}
	}
	return b.String()
}

// noteSize is what the apiserver takes of an Event's note (kubernetes
// pkg/apis/core/validation/events.go, v1.36: 1024 bytes).
const noteSize = 1024

func note(f *rule.Finding) string {
	text := fmt.Sprintf("%s %s: %s", f.Rule.ID, f.Severity, f.Title)
	for _, fix := range f.Chain.Fixes {
		text += ". To repair: " + fix.Text
		break
	}
	if len(text) > noteSize {
		text = strings.ToValidUTF8(text[:noteSize-3], "") + "..."
	}
	return text
}

// Reference names an object for the API. Its version is not known here; that of the
// kind's group is all that readers of Events go by.
func Reference(r snapshot.Ref) *core.ObjectReference {
	version := "v1"
	if r.Group != "" {
		version = r.Group + "/v1"
	}
	return &core.ObjectReference{APIVersion: version, Kind: r.Kind, Namespace: r.Namespace, Name: cmp.Or(r.Name, "*")}
}
