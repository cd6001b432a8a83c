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

// Plan parts scenarios into lanes, of which two run at a time: those of the
// kernel alone in one, and the others so that a cluster carries as many as it
// can before its kube-proxy must be another.
func Plan(scenarios []*lab.Scenario) []Lane {
	lanes := map[string]*Lane{}
	for _, s := range scenarios {
		for _, b := range s.Backends {
			key := string(b)
			if !s.KernelOnly() {
				key += " " + s.Cluster.Proxy.Version
			}
			if lanes[key] == nil {
				lanes[key] = &Lane{Backend: b}
			}
			lanes[key].Scenarios = append(lanes[key].Scenarios, s)
		}
	}
	var list []Lane
	for _, l := range lanes {
		slices.SortStableFunc(l.Scenarios, func(a, b *lab.Scenario) int { return cmp.Compare(ground(a), ground(b)) })
		list = append(list, *l)
	}
	slices.SortFunc(list, func(a, b Lane) int {
		return cmp.Or(len(b.Scenarios)-len(a.Scenarios), cmp.Compare(ground(a.Scenarios[0]), ground(b.Scenarios[0])))
	})
	return list
}

// ground is what a scenario stands on: those with the same come in a row.
func ground(s *lab.Scenario) string {
	c := s.Cluster
	return fmt.Sprint(c.ControlPlane, c.Nodes, c.Servers, c.VIP, c.BIRD, c.Proxy, c.Grace, s.Name)
}
