// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	floodSize   = 200 << 20
	floodMemory = 200 << 20
)

// TestFlood: a line of 200 MB, of whatever sort, is read in bounded memory and
// time. What stands in small objects is found; what is one object is told; the
// file beside it is checked all the same.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("reads gigabytes")
	}
	intruder := `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"externalIPs": ["192.168.10.115"], "ports": [{"port": 80}]}}`
	flow := strings.ReplaceAll(intruder, `"`, "")
	configMap := fmt.Sprintf(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "%s"}}, `, strings.Repeat("y", 20_000))
	for _, tt := range []struct {
		name               string
		begin, middle, end string
		status             int
		stdout, stderr     string
	}{
		{"JSON, a list of small objects", `{"apiVersion": "v1", "kind": "List", "items": [`, configMap, intruder + "]}", exitFindings, "Service default/web claims", ""},
		{"JSON, one object", `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "annotations": {"big": "`, strings.Repeat("x", 8<<10), `"}}}`,
			exitFailed, "", "whohas: error: -:1: object is larger than 16 MiB"},
		{"JSON, one object in a list", `{"apiVersion": "v1", "kind": "List", "items": [` + intruder + `, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "annotations": {"big": "`,
			strings.Repeat("x", 8<<10), `"}}}]}`, exitFindings, "Service default/web claims", "whohas: error: -:1: object is larger than 16 MiB"},
		{"YAML in brackets, one object", `{apiVersion: v1, kind: Service, metadata: {name: x}, spec: {externalIPs: [`, strings.Repeat("192.0.2.1, ", 1000), `192.0.2.1]}}`,
			exitFailed, "", "whohas: error: -:1: object is larger than 16 MiB"},
		{"YAML in brackets, a list", `{apiVersion: v1, kind: List, items: [`, strings.ReplaceAll(configMap, `"`, ""), flow + "]}",
			exitFailed, "", "whohas: error: -:1: object is larger than 16 MiB"},
		{"YAML, one scalar", "apiVersion: v1\nkind: Service\nmetadata:\n  name: ", strings.Repeat("x", 8<<10), "\n---\n" + intruder + "\n",
			exitFindings, "Service default/web claims", "whohas: error: -:1: object is larger than 16 MiB"},
		{"brackets", "", strings.Repeat("[", 8<<10), "", exitFailed, "", "whohas: error: -:1: "},
		{"letters", "", strings.Repeat("x", 8<<10), "", exitFailed, "", "whohas: error: -:1: object is larger than 16 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := runFlood(t, &flood{begin: tt.begin, middle: tt.middle, end: tt.end})
			if f.status != tt.status {
				t.Errorf("exit status %d, want %d", f.status, tt.status)
			}
			if !strings.Contains(f.stdout, tt.stdout) || !strings.Contains(f.stderr, tt.stderr) || tt.stderr == "" && f.stderr != "" {
				t.Errorf("stdout:\n%.1000s\nstderr:\n%.1000s\nwant %q and %q", f.stdout, f.stderr, tt.stdout, tt.stderr)
			}
			if !strings.Contains(f.stdout, "nodes 3") {
				t.Errorf("the file beside it was not read:\n%.2000s", f.stdout)
			}
			t.Logf("%d MiB", f.memory>>20)
			if f.memory > floodMemory && !raced() {
				t.Errorf("%d MiB of memory, want at most %d", f.memory>>20, floodMemory>>20)
			}
		})
	}
}

type flooded struct {
	status         int
	stdout, stderr string
	memory         int64
}

// forgetPeak lets a process that is started next begin with the memory that this one has,
// and not with the most that it ever had: a process inherits the peak of the one that
// starts it (linux fs/exec.c exec_mmap, setmax_mm_hiwater_rss), and a test binary that has
// run for a while had more than what is looked for. 5 is in linux
// Documentation/filesystems/proc.rst, clear_refs.
func forgetPeak(t *testing.T) {
	t.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
}

// runFlood runs whohas in a process of its own, which alone has memory of its own.
func runFlood(t *testing.T, in io.Reader) flooded {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "whohas", "check", "-f", "-", "-f", filepath.Join(incident, "nodes.yaml"))
	var out, errs bytes.Buffer
	forgetPeak(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatalf("no rusage but %T", cmd.ProcessState.SysUsage())
	}
	return flooded{cmd.ProcessState.ExitCode(), out.String(), errs.String(), usage.Maxrss << 10}
}

// raced reports whether the race detector is in the binary: it takes memory of its own.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// flood is a text of floodSize that is made while it is read.
type flood struct {
	begin, middle, end string
	at                 string
	sent               int
	ended              bool
}

func (f *flood) Read(p []byte) (int, error) {
	for f.at == "" {
		switch {
		case f.ended:
			return 0, io.EOF
		case f.sent == 0 && f.begin != "":
			f.at = f.begin
		case f.sent < floodSize:
			f.at = f.middle
		default:
			f.at, f.ended = f.end, true
		}
		f.sent += len(f.at)
	}
	n := copy(p, f.at)
	f.at = f.at[n:]
	return n, nil
}
