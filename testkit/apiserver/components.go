// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// binaries are the paths of the programs a server needs.
type binaries struct {
	etcd, apiserver, kubectl string
}

// components returns the cached programs, building those that are missing.
func components(tb TB) binaries {
	tb.Helper()
	tool, err := buildTool()
	if err != nil {
		tb.Fatalf("find tools/build: %v", err)
	}
	names := []string{"etcd", "kube-apiserver", "kubectl"}
	paths, err := cached(tool, names)
	if err != nil {
		tb.Fatalf("find components: %v", err)
	}
	if absent := missing(paths); len(absent) > 0 {
		if testing.Testing() && testing.Short() {
			tb.Skipf("SKIPPED: not built: %s; run %s %s, or test without -short",
				strings.Join(absent, " "), tool, strings.Join(names, " "))
		}
		tb.Logf("building %s; this takes minutes", strings.Join(absent, " "))
		if err := build(tb, tool, names, filepath.Dir(paths[0])); err != nil {
			tb.Fatalf("build components: %v", err)
		}
	}
	return binaries{etcd: paths[0], apiserver: paths[1], kubectl: paths[2]}
}

// cached asks tool where names belong, so that only it knows the versions.
func cached(tool string, names []string) ([]string, error) {
	out, err := output(exec.Command(tool, append([]string{"--path"}, names...)...))
	if err != nil {
		return nil, err
	}
	paths := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if len(paths) != len(names) {
		return nil, fmt.Errorf("%s --path: %d lines for %d names", tool, len(paths), len(names))
	}
	return paths, nil
}

// build runs tool under a lock in cache: go test runs the tests of packages in
// parallel, and one build is enough for all of them.
func build(tb TB, tool string, names []string, cache string) error {
	if err := os.MkdirAll(cache, 0o777); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(cache, ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	_, err = output(exec.CommandContext(tb.Context(), tool, names...))
	return err
}

// output returns the standard output of cmd; its error holds the standard error.
func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, stderr.String())
	}
	return stdout.String(), nil
}

func missing(paths []string) []string {
	var absent []string
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			absent = append(absent, filepath.Base(p))
		}
	}
	return absent
}

// buildTool returns the path of tools/build in the module the test runs in.
func buildTool() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if isRoot(dir) {
			return filepath.Join(dir, "tools", "build"), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod of module whohas above the working directory")
		}
		dir = parent
	}
}

func isRoot(dir string) bool {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(mod)) {
		if strings.TrimSpace(line) == "module whohas" {
			return true
		}
	}
	return false
}
