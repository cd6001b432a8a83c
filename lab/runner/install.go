// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runner

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"whohas/lab"
	"whohas/lab/kernel"
)

// bird is where Debian has it, which is not on everybody's path.
const bird = "/usr/sbin/bird"

// install puts the programs that the scenarios need into the work folder and
// gives their versions.
func install(ctx context.Context, work *kernel.Work, o Options, scenarios []*lab.Scenario) (map[string]string, error) {
	if err := work.Install("lab", o.Program); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(scenarios, (*lab.Scenario).AsksWhohas) {
		if err := installOurs(ctx, work, o, "whohas"); err != nil {
			return nil, err
		}
	}
	versions := map[string]string{}
	for _, name := range components(scenarios) {
		out, err := exec.CommandContext(ctx, o.Tools, "--path", name).Output()
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
		path := strings.TrimSpace(string(out))
		if err := work.Install(name, path); err != nil {
			return nil, fmt.Errorf("%w (build it with: tools/build %s)", err, name)
		}
		versions[name] = strings.TrimPrefix(filepath.Base(path), name+"-")
	}
	if slices.ContainsFunc(scenarios, func(s *lab.Scenario) bool { return s.Cluster.BIRD }) {
		out, err := exec.CommandContext(ctx, bird, "--version").CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("find bird: %w (install it with: tools/packages)", err)
		}
		versions["bird"] = strings.TrimPrefix(strings.TrimSpace(string(out)), "BIRD version ")
	}
	if slices.ContainsFunc(scenarios, func(s *lab.Scenario) bool { return s.Cluster.Guard }) {
		if err := installOurs(ctx, work, o, "whohas-guard"); err != nil {
			return nil, err
		}
		if err := work.Install("guard-webhook.yaml", filepath.Join(root(o), "deploy", "base", "webhook.yaml")); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

// root is the module's: tools/build stands in it.
func root(o Options) string { return filepath.Dir(filepath.Dir(o.Tools)) }

// installOurs builds a program as it stands in the tree.
func installOurs(ctx context.Context, work *kernel.Work, o Options, name string) error {
	dir, err := os.MkdirTemp("", "whohas-")
	if err != nil {
		return fmt.Errorf("build %s: %w", name, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "whohas/cmd/"+name)
	build.Dir = root(o)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", name, err, out)
	}
	return work.Install(name, path)
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
