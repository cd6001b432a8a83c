// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runner

import (
	"cmp"
	"fmt"
	"slices"

	"whohas/lab"
)

// Lane is what one kernel runs.
type Lane struct {
	Backend   lab.Backend
	Scenarios []*lab.Scenario
}

// Plan parts scenarios into lanes, the longest first: those of the kernel alone in
// one, and those with a cluster so that the kernels at work have about as much to
// do, and that a cluster carries as many as it can.
func Plan(scenarios []*lab.Scenario) []Lane {
	var list []Lane
	for _, backend := range []lab.Backend{lab.UML, lab.Namespaces} {
		var plain, clusters []*lab.Scenario
		for _, s := range scenarios {
			switch {
			case !s.Runs(backend):
			case s.KernelOnly():
				plain = append(plain, s)
			default:
				clusters = append(clusters, s)
			}
		}
		if len(plain) > 0 {
			list = append(list, Lane{backend, plain})
		}
		slices.SortStableFunc(clusters, func(a, b *lab.Scenario) int { return cmp.Compare(ground(a), ground(b)) })
		for _, part := range share(clusters) {
			list = append(list, Lane{backend, part})
		}
	}
	slices.SortStableFunc(list, func(a, b Lane) int { return cmp.Compare(effort(b.Scenarios...), effort(a.Scenarios...)) })
	return list
}

// share cuts a row of scenarios into as many parts as kernels run at once, of
// about the same effort.
func share(row []*lab.Scenario) [][]*lab.Scenario {
	var parts [][]*lab.Scenario
	for left := kernelsAtOnce; left > 0 && len(row) > 0; left-- {
		n, fair := 1, effort(row...)/left
		for n < len(row) && (left == 1 || effort(row[:n+1]...) <= fair+effort(row[n])/2) {
			n++
		}
		parts, row = append(parts, row[:n]), row[n:]
	}
	return parts
}

// effort guesses how long scenarios take, from their steps: what is prepared
// for one with a cluster takes as long as some dozens.
func effort(scenarios ...*lab.Scenario) int {
	sum := 0
	for _, s := range scenarios {
		sum += len(s.Steps)
		if !s.KernelOnly() {
			sum += 40
		}
	}
	return sum
}

// ground is what a scenario stands on: those with the same come in a row.
func ground(s *lab.Scenario) string {
	c := s.Cluster
	return fmt.Sprint(c.ControlPlane, c.Nodes, c.Servers, c.VIP, c.BIRD, c.Proxy, c.Grace, s.Name)
}
