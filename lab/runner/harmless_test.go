// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runner

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"whohas/lab"
)

// TestHarmless: after a run the machine is as before, however the run ended.
func TestHarmless(t *testing.T) {
	program := filepath.Join(t.TempDir(), "lab")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/lab").CombinedOutput(); err != nil {
		t.Fatalf("build the lab: %v\n%s", err, out)
	}
	dir := t.TempDir()
	for name, steps := range map[string]string{"short": "b ping 10.0.0.1 = answered by a\nrecord end\n", "long": "a$ true\nsleep 30m\n"} {
		to := filepath.Join(dir, "lab/scenarios")
		if err := errors.Join(os.MkdirAll(to, 0o755), os.WriteFile(filepath.Join(to, name+".txtar"), []byte(twoHosts+steps), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	state := machine(t)
	for _, backend := range []lab.Backend{lab.UML, lab.Namespaces} {
		for _, c := range []struct {
			name, scenario string
			end            syscall.Signal // sent after the first event; 0: none
			exit           int
		}{
			{"done", "short", 0, 0},
			{"killed", "long", syscall.SIGKILL, -1},
			{"interrupted", "long", syscall.SIGINT, 1},
		} {
			t.Run(string(backend)+"/"+c.name, func(t *testing.T) {
				if backend == lab.UML {
					needUML(t)
				} else {
					needNamespaces(t)
				}
				folder := runAndEnd(t, program, dir, backend, c.scenario, c.end, c.exit)
				if c.end == syscall.SIGKILL {
					leftFolder(t, folder)
					runAndEnd(t, program, dir, backend, "short", 0, 0) // which sweeps
				}
				if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the work folder %s is still there", folder)
				}
				before := state
				state = machine(t)
				compareMachine(t, before, state)
			})
		}
	}
}

// twoHosts is a scenario to which steps are added. What it does at last takes
// longer than any wait here: a kernel that is not killed is still there.
const twoHosts = `# Two hosts.
backends: uml netns
limit: 1h

-- topology --
segment lan 10.0.0.0/24
host a lan 10.0.0.1
host b lan 10.0.0.2

-- steps --
`

// leftFolder looks whether a runner that was killed left a folder at all: else
// nothing would be shown by its being gone later.
func leftFolder(t *testing.T, folder string) {
	t.Helper()
	if _, err := os.Stat(folder); err != nil {
		t.Errorf("a killed runner's folder: %v; the test shows nothing about sweeping", err)
	}
}

// endLimit bounds a run of the lab, and how long its processes may take to end.
const endLimit = 3 * time.Minute

// runAndEnd runs a scenario as a process, ends it by a signal after its first
// event, and waits until no process of it is left. It gives its work folder.
func runAndEnd(t *testing.T, program, dir string, backend lab.Backend, scenario string, end syscall.Signal, exit int) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), endLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "run", "-update", "-backend", string(backend), scenario)
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := ""
	lines := bufio.NewReader(out)
	if end != 0 {
		if first, err = lines.ReadString('\n'); err != nil {
			t.Errorf("no event came: %v", err)
		}
	}
	folder := workFolder(t, cmd.Process.Pid, end != 0)
	if end != 0 {
		if n := len(processesOf(cmd.Process.Pid)); n == 0 {
			t.Error("no process of the run is found while it runs: the test looks in the wrong place")
		}
		_ = cmd.Process.Signal(end)
	}
	text, _ := io.ReadAll(lines)
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exit {
		t.Errorf("the lab ended with %v, want exit status %d:\n%s%s%s", err, exit, first, text, stderr.String())
	}
	for left := processesOf(cmd.Process.Pid); len(left) > 0; left = processesOf(cmd.Process.Pid) {
		select {
		case <-ctx.Done():
			for n := range left {
				_ = syscall.Kill(n, syscall.SIGKILL)
			}
			t.Fatalf("processes were left, and are killed now: %v", left)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return folder
}

func workPattern(pid int) string { return fmt.Sprintf("/dev/shm/whohas-lab-%d-", pid) }

// workFolder is the work folder of a runner.
func workFolder(t *testing.T, pid int, must bool) string {
	t.Helper()
	found, err := filepath.Glob(workPattern(pid) + "*")
	if err != nil || must && len(found) != 1 {
		t.Fatalf("work folders of %d: %q, %v", pid, found, err)
	}
	if len(found) == 0 {
		return workPattern(pid)
	}
	return found[0]
}

// processesOf finds the processes that a runner started: their command lines or
// their programs lie in its work folder.
func processesOf(pid int) map[int]string {
	found := map[int]string{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil || n == pid {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		if strings.Contains(string(line)+exe, workPattern(pid)) {
			found[n] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}

// machineState is what a run must leave as it was.
type machineState map[string]thing

// thing is a file, or a line of one that lists something.
type thing struct {
	mode    string
	size    int64
	changed time.Time
	log     bool // another program writes to it as it works
}

// same: a log may grow, and nothing else may change. Whoever runs this test may
// have its output written to a file.
func (was thing) same(is thing) bool {
	if was.mode == is.mode && (was.log || is.log) {
		return is.size >= was.size
	}
	return was.mode == is.mode && was.size == is.size && was.changed.Equal(is.changed)
}

func (was thing) String() string {
	return fmt.Sprintf("%s %d %s", was.mode, was.size, was.changed)
}

// machine lists the machine's files, mounts, network devices and kernel modules.
func machine(t *testing.T) machineState {
	t.Helper()
	state := machineState{}
	for _, file := range []string{"/proc/self/mountinfo", "/proc/modules", "/proc/sys/kernel/hostname"} {
		data, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			state[file+": "+strings.TrimSpace(line)] = thing{}
		}
	}
	for _, dir := range []string{"/sys/class/net", "/run/netns", "/var/run/netns"} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			state[filepath.Join(dir, e.Name())] = thing{}
		}
	}
	others, written := others(t), writtenTo()
	err := filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		if slices.Contains(others, path) {
			return filepath.SkipDir
		}
		if err != nil {
			return nil // gone, or not ours to read
		}
		if info, err := d.Info(); err == nil {
			note(state, path, info, written[path])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// writtenTo are the files that some process holds open to write to. No process
// of a run is left when this is asked.
func writtenTo() map[string]bool {
	open := map[string]bool{}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		// A link's mode tells how the file was opened (man 5 proc, /proc/pid/fd).
		if info, err := os.Lstat(fd); err == nil && info.Mode().Perm()&0o200 != 0 {
			if path, err := os.Readlink(fd); err == nil {
				open[path] = true
			}
		}
	}
	return open
}

// others are the folders that other programs, and this test, write to. The
// kernels' own are among them nowhere but in the temporary folders: see note.
func others(t *testing.T) []string {
	t.Helper()
	list := []string{"/proc", "/sys", "/dev/pts", "/run/systemd", "/var/log", "/run/log"}
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOTELEMETRYDIR").Output()
	if err != nil {
		t.Fatal(err)
	}
	list = append(list, strings.Fields(string(out))...)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return append(list, root)
}

// shared are folders in which many write; there only what belongs to the user
// whom kernels run as counts.
var shared = []string{"/tmp", "/var/tmp", "/dev/shm", os.TempDir()}

// nobody is Linux' own user for those who own nothing (man 5 passwd, Debian's
// base-passwd).
const nobody = 65534

func note(state machineState, path string, info fs.FileInfo, written bool) {
	if slices.Contains(shared, path) || path == "/dev" {
		return
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	inShared := slices.ContainsFunc(shared, func(dir string) bool { return strings.HasPrefix(path, dir+"/") })
	if !ok || inShared && stat.Uid != nobody || strings.HasPrefix(path, "/dev/shm/whohas-lab-") {
		return
	}
	if info.Mode()&fs.ModeCharDevice != 0 {
		state[path] = thing{mode: info.Mode().String()} // a terminal is written to all the time
		return
	}
	log := info.Mode().IsRegular() && (written || strings.HasSuffix(path, ".log"))
	state[path] = thing{info.Mode().String(), info.Size(), info.ModTime(), log}
}

// compareMachine tells what is another on the machine.
func compareMachine(t *testing.T, before, after machineState) {
	t.Helper()
	for _, line := range differences(before, after) {
		t.Errorf("the machine has changed: %s", line)
	}
}

func differences(before, after machineState) []string {
	var diff []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		switch was, there := before[name]; {
		case !there:
			diff = append(diff, "new: "+name)
		case !was.same(after[name]):
			diff = append(diff, fmt.Sprintf("%s: was %v, is %v", name, was, after[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, there := after[name]; !there {
			diff = append(diff, "gone: "+name)
		}
	}
	return diff
}

// TestHarmlessCanFail: each sort of trace is seen.
func TestHarmlessCanFail(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	before := machineState{
		"/etc/a": {"-rw", 3, noon, false}, "/etc/b": {"-rw", 1, noon, false}, "/etc/t": {"-rw", 1, noon, false},
		"/x/ci.log": {"-rw", 3, noon, true}, "/x/cut.log": {"-rw", 3, noon, true}, "/x/mode.log": {"-rw", 3, noon, true},
	}
	after := machineState{
		"/etc/a": {"-rw", 4, noon, false}, "/etc/c": {"-rw", 1, noon, false}, "/etc/t": {"-rw", 1, noon.Add(1), false},
		"/x/ci.log": {"-rw", 4, noon.Add(1), true}, "/x/cut.log": {"-rw", 2, noon, true}, "/x/mode.log": {"-rwx", 3, noon, true},
	}
	var got []string
	for _, line := range differences(before, after) {
		got = append(got, strings.SplitN(line, ": was ", 2)[0])
	}
	if want := []string{"/etc/a", "new: /etc/c", "/etc/t", "/x/cut.log", "/x/mode.log", "gone: /etc/b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// A file of the kernels' user in a shared folder, as a kernel would leave it.
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can give a file away")
	}
	start := machine(t)
	file, err := os.CreateTemp("/var/tmp", "trace")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file.Name())
	if err := errors.Join(file.Close(), os.Chown(file.Name(), nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	if got := differences(start, machine(t)); !slices.Contains(got, "new: "+file.Name()) {
		t.Errorf("a file left behind is not seen: %q", got)
	}
}
