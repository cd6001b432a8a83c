// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"cmp"
	"slices"
	"strings"
)

// Status says how much of a source was read.
type Status string

// The states of a source.
const (
	StatusRead       Status = "read"
	StatusPartial    Status = "partial"
	StatusDenied     Status = "denied"
	StatusAbsent     Status = "absent"
	StatusUnreadable Status = "unreadable"
)

// Coverage is one line of what was read and what was not: a kind of object
// ("nodes"), a file, or a sort of thing that was passed over.
type Coverage struct {
	Source   string
	Status   Status
	Count    int
	Complete bool   // the kind is known completely: absence proves something
	Detail   string // why, in a few words
	Line     int    // of a file; 0 where it says nothing
	Failed   bool   // the job asked for could not be done whole: exit status 2
}

// gather joins the lines of one source: kinds that several sources hold are
// one line, unless their state differs.
func gather(lines []Coverage) []Coverage {
	lines = slices.Clone(lines)
	slices.SortStableFunc(lines, func(a, b Coverage) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(string(a.Status), string(b.Status)),
			strings.Compare(a.Detail, b.Detail), a.Line-b.Line)
	})
	var out []Coverage
	for _, l := range lines {
		if n := len(out); n > 0 && sameLine(out[n-1], l) {
			out[n-1].Count += l.Count
			out[n-1].Complete = out[n-1].Complete || l.Complete
			out[n-1].Failed = out[n-1].Failed || l.Failed
			continue
		}
		out = append(out, l)
	}
	return out
}

func sameLine(a, b Coverage) bool {
	return a.Source == b.Source && a.Status == b.Status && a.Detail == b.Detail && a.Line == b.Line
}
