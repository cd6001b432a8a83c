// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/lab"
)

// TestTables: each verb and question that a scenario can have is done here, and no other.
func TestTables(t *testing.T) {
	if diff := cmp.Diff(lab.Verbs(), slices.Sorted(maps.Keys(verbs))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(lab.Questions(), slices.Sorted(maps.Keys(questions))); diff != "" {
		t.Error(diff)
	}
}
