// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const root = "../.."

// platforms are what the tests build for: one, so that a check takes no longer than
// people wait for. tools/nightly dist sets the variable.
func platforms() string {
	if os.Getenv("WHOHAS_DIST") == "all" {
		return everywhere
	}
	return "linux/amd64"
}

var (
	once     sync.Once
	at       *release
	first    []file
	firstErr error
)

// made is what one build of this folder gives.
func made(t *testing.T) []file {
	t.Helper()
	once.Do(func() { at, first, firstErr = build(root) })
	if firstErr != nil {
		t.Fatal(firstErr)
	}
	return first
}

func build(root string) (*release, []file, error) {
	r, err := releaseAt(root, nowhere)
	if err != nil {
		return nil, nil, err
	}
	targets, err := targetsOf(platforms())
	if err != nil {
		return nil, nil, err
	}
	files, err := r.make(targets)
	return r, files, err
}

// current is what the build was of, also when somebody has changed a file since.
func current(t *testing.T) *release {
	t.Helper()
	made(t)
	return at
}

// one is the file whose name ends so.
func one(t *testing.T, files []file, end string) file {
	t.Helper()
	var found []file
	for _, f := range files {
		if strings.HasSuffix(f.path, end) {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d files end in %q", len(found), end)
	}
	return found[0]
}

// saved writes a file into a folder of its own.
func saved(t *testing.T, f file) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), f.path)
	if err := os.WriteFile(path, f.data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// spread writes files below a folder.
func spread(t *testing.T, dir string, files []file) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.data, f.mode); err != nil {
			t.Fatal(err)
		}
	}
}

// unzip reads a zip with each file's mode.
func unzip(t *testing.T, data []byte) []file {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var out []file
	for _, f := range r.File {
		from, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, file{f.Name, f.Mode().Perm(), text})
	}
	return out
}

// unpack reads a tarball that somebody installs from by hand.
func unpack(t *testing.T, tgz []byte) []file {
	t.Helper()
	files, err := unpacked(tgz)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// program is a program of this machine's, or the test is skipped.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED: %s is not there (tools/packages)", name)
	}
	return path
}

// say runs a command and gives what it says; it must succeed.
func say(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(name), args, err, out)
	}
	return string(out)
}

// needHost skips where what is built for linux/amd64 does not run.
func needHost(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("go", "env", "GOHOSTOS", "GOHOSTARCH").Output(); err != nil || string(out) != "linux\namd64\n" {
		t.Skipf("SKIPPED: this machine is no linux/amd64: %q, %v", out, err)
	}
}

// refuse runs a command that must fail, and gives what it says.
func refuse(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("%s %q succeeds: %s", filepath.Base(name), args, out)
	}
	return string(out)
}
