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
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"whohas/lab"
)

// TestHarmless: no process of a run and no file outlives it, however it ended. What a
// run could do to the machine while it lasts is lab/kernel's TestConfined; a run that
// ends by itself also looks whether it has written where it should not.
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
const endLimit = 10 * time.Minute

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
