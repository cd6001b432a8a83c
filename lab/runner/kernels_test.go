// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runner

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"whohas/lab"
)

// These tests boot real kernels. What they need is installed and built by
// "make test".

// TestKernel runs the scenarios of the kernel alone, all in one boot, but for the
// one that waits a minute for Linux' own timers.
func TestKernel(t *testing.T) {
	needUML(t)
	runAll(t, lab.UML, scenarios(t, func(s *lab.Scenario) bool {
		return s.KernelOnly() && s.Runs(lab.UML) && s.Name != "owner-expiry"
	}))
}

// TestIncident runs the incident in a real cluster, and its repair.
func TestIncident(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: takes 4 minutes; test without -short")
	}
	needUML(t)
	list := scenarios(t, func(s *lab.Scenario) bool { return s.Name == "incident-1.36" })
	needComponents(t, list)
	runAll(t, lab.UML, list)
}

// TestNamespaces runs two of the scenarios that this machine's kernel can run, one
// of each mode; make lab runs all.
func TestNamespaces(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: takes minutes; test without -short")
	}
	needNamespaces(t)
	list := scenarios(t, func(s *lab.Scenario) bool {
		return s.Name == "nftables-1.36" || s.Name == "healthy-iptables-1.36"
	})
	needComponents(t, list)
	runAll(t, lab.Namespaces, list)
}

func scenarios(t *testing.T, want func(*lab.Scenario) bool) []*lab.Scenario {
	t.Helper()
	all, err := lab.ReadAll(os.DirFS("../scenarios"))
	if err != nil {
		t.Fatal(err)
	}
	list := slices.DeleteFunc(all, func(s *lab.Scenario) bool { return !want(s) })
	if len(list) == 0 {
		t.Fatal("no such scenario")
	}
	return list
}

// lack skips where something is missing, and fails in CI, where nothing may be.
func lack(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip("SKIPPED: " + what)
}

func needUML(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("linux.uml"); err != nil {
		lack(t, "no linux.uml: run tools/packages")
	}
}

func needNamespaces(t *testing.T) {
	t.Helper()
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Run(); err != nil {
		lack(t, "this machine makes no user namespaces: "+err.Error())
	}
}

// needComponents looks whether the programs are built. It builds none: that
// takes minutes, and is the Makefile's work.
func needComponents(t *testing.T, list []*lab.Scenario) {
	t.Helper()
	names := components(list)
	out, err := exec.Command("../../tools/build", append([]string{"--path"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.Lines(string(out)) {
		if _, err := os.Stat(strings.TrimSpace(path)); err != nil {
			t.Fatalf("%v\nbuild what is missing with make test, or: tools/build %s", err, strings.Join(names, " "))
		}
	}
}

// testLimit bounds a test that boots kernels; each scenario has its own limit.
const testLimit = 30 * time.Minute

// runAll runs scenarios in one kernel; each must be what is on record.
func runAll(t *testing.T, backend lab.Backend, list []*lab.Scenario) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testLimit)
	defer cancel()
	o := Options{Program: self, Tools: "../../tools/build", Recorded: "../recorded", Patience: 5}
	for _, r := range All(ctx, o, []Lane{{Backend: backend, Scenarios: list}}) {
		t.Run(r.Name, func(t *testing.T) {
			for _, text := range r.Wrong {
				t.Error(text)
			}
			if t.Failed() && r.Run != nil {
				t.Logf("the run:\n%s", r.Run.Timeline())
			}
		})
	}
}

// TestRecords: nothing is on record that no scenario makes.
func TestRecords(t *testing.T) {
	want := map[string]bool{}
	for _, s := range scenarios(t, func(*lab.Scenario) bool { return true }) {
		for _, b := range s.Backends {
			want[RecordName(s, b)] = true
		}
	}
	folders, err := filepath.Glob("../recorded/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if !want[filepath.Base(f)] {
			t.Errorf("%s is no scenario's record", f)
		}
	}
}
