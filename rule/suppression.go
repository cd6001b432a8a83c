// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"time"

	"whohas/claim"
	"whohas/snapshot"
)

// Suppression is somebody's permission for a finding: of the configuration (Object is
// zero), or of an object for its own claims.
type Suppression struct {
	Rule   string // an ID or a name
	Place  string // an address or range the finding must be in; "": any
	Reason string
	Until  string // the last day, as written: 2026-12-31 or an RFC 3339 time
	Object snapshot.Ref
	Origin snapshot.Origin
	// Refused says why the permission does not count whatever it says; "" if it may.
	Refused string
}

// SuppressionState is a permission and what became of it.
type SuppressionState struct {
	Suppression
	Fault string // why it does not count; "" if it does
	Used  bool
}

// Fault tells why a permission does not count: no rule, no reason, a date that
// cannot be read, expired.
func (a Suppression) Fault(now time.Time) string {
	switch {
	case a.Refused != "":
		return a.Refused
	case a.Rule == "":
		return "names no rule"
	case a.Reason == "":
		return "gives no reason"
	case a.Until == "":
		return ""
	}
	end, err := time.Parse(time.DateOnly, a.Until)
	if err == nil {
		end = end.AddDate(0, 0, 1)
	} else if end, err = time.Parse(time.RFC3339, a.Until); err != nil {
		return "has a date that is not like 2026-12-31: " + a.Until
	}
	if !now.Before(end) {
		return "expired on " + a.Until
	}
	return ""
}

// Matches reports whether the permission speaks of a finding.
func (a Suppression) Matches(f *Finding) bool {
	if a.Rule != f.Rule.ID && a.Rule != f.Rule.Name {
		return false
	}
	if a.Place == "" {
		return true
	}
	r, err := claim.ParseRange(a.Place)
	return err == nil && r.Covers(f.Range)
}

// Where says where the permission stands.
func (a Suppression) Where() string {
	if a.Object.IsZero() {
		return a.Origin.File
	}
	return a.Object.String() + " annotation whohas.io/allow"
}
