// SPDX-License-Identifier: Apache-2.0

// Package rules holds the findings, one file each, with their documentation and,
// under testdata/<ID>, the scenarios in which they fire, stay quiet, and are
// silenced by their own fix.
package rules

import (
	"slices"
	"strings"

	"whohas/rule"
)

var all []*rule.Rule

// add enters a rule in the list; called only while the package initialises.
func add(r rule.Rule) *rule.Rule {
	all = append(all, &r)
	return &r
}

// All lists the rules, sorted by ID.
func All() []*rule.Rule {
	list := slices.Clone(all)
	slices.SortFunc(list, func(a, b *rule.Rule) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// Find finds a rule by its ID or name; nil if there is none.
func Find(name string) *rule.Rule {
	for _, r := range all {
		if strings.EqualFold(r.ID, name) || strings.EqualFold(r.Name, name) {
			return r
		}
	}
	return nil
}
