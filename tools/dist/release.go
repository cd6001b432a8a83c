// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// release is what is built: a commit, and what it is called.
type release struct {
	root    string    // the repository's folder
	name    string    // as git describes it; the programs say this of themselves
	version string    // what package managers compare: see ordered
	commit  string    // 40 hex digits
	date    time.Time // the commit's, in UTC; every time in every file
	changed bool      // the folder holds what the commit does not
	home    string    // where it is published
}

func releaseAt(root, home string) (*release, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	r := &release{root: root, home: strings.TrimRight(home, "/")}
	if r.name, err = r.git("describe", "--tags", "--always", "--dirty", "--abbrev=12"); err != nil {
		return nil, err
	}
	about, err := r.git("log", "-1", "--format=%H %ct")
	if err != nil {
		return nil, err
	}
	commit, seconds, _ := strings.Cut(about, " ")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("the commit's date: %w", err)
	}
	r.commit, r.date = commit, time.Unix(n, 0).UTC()
	r.changed = strings.HasSuffix(r.name, "-dirty")
	r.version = ordered(r.name, r.date)
	return r, nil
}

// git asks the repository, which a variable of the caller's may not replace by another.
func (r *release) git(args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", r.root}, args...)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GIT_DIR=") && !strings.HasPrefix(v, "GIT_WORK_TREE=") && !strings.HasPrefix(v, "GIT_INDEX_FILE=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s in %s: %w", args[0], r.root, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// command runs a program in the repository with settings of the go command that are ours,
// and not the caller's.
func (r *release) command(env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = r.root
	// An empty GOFLAGS would be taken for none, and that of `go env -w` be used.
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-trimpath", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0"), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", filepath.Base(name), args[0], err)
	}
	return out, nil
}

// tool is where a pinned program is; it is built if it is not there.
func (r *release) tool(name string) (string, error) {
	script := filepath.Join(r.root, "tools", "build")
	out, err := r.command(nil, script, "--path", name)
	path := strings.TrimSpace(string(out))
	if err != nil {
		return "", err
	}
	if _, err = os.Stat(path); err != nil {
		_, err = r.command(nil, script, name)
	}
	return path, err
}
