// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runner

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"whohas/lab"
	"whohas/lab/kernel"
)

// install puts the programs that the scenarios need into the work folder.
func install(ctx context.Context, work *kernel.Work, o Options, scenarios []*lab.Scenario) error {
	if err := work.Install("lab", o.Program); err != nil {
		return err
	}
	for _, name := range components(scenarios) {
		cmd := exec.CommandContext(ctx, o.Tools, "--path", name)
		path, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		if err := work.Install(name, strings.TrimSpace(string(path))); err != nil {
			return fmt.Errorf("%w (build it with: tools/build %s)", err, name)
		}
	}
	return nil
}

// components are the programs that scenarios need, by tools/build's names.
func components(scenarios []*lab.Scenario) []string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.Cluster.Components()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
