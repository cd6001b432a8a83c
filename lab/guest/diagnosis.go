// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"whohas/lab"
	"whohas/lab/testbed"
)

// Whohas is where the program itself is on every host.
const Whohas = "/lab/whohas"

// diagnose runs whohas diagnose on a host, as an operator would, and gives its
// verdict with the cause's rule and address. How long it took is noted, and not part
// of the answer.
func (x *executor) diagnose(ctx context.Context, h *testbed.Host, _ lab.Query) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	cmd := &exec.Cmd{Path: Whohas, Args: []string{"whohas", "diagnose", "--node", h.Name, "-o", "json=/run/diagnosis.json"}}
	var text, notes bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &notes
	began := time.Now()
	if err := h.Start(cmd); err != nil {
		return "", fmt.Errorf("whohas diagnose: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	_ = cmd.Wait() // its status is its verdict
	took := time.Since(began)
	// The whole cluster shares the kernel's one processor: what the program itself needed
	// is said beside what it had to wait for.
	worked := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	x.note(fmt.Sprintf("    %s: whohas diagnose took %.1f s, %.1f s of them on the processor; exit status %d", h.Name, took.Seconds(), worked.Seconds(), cmd.ProcessState.ExitCode()))
	for line := range strings.Lines(text.String() + notes.String()) {
		x.note("    " + strings.TrimRight(line, "\n"))
	}
	return verdict(h)
}

func verdict(h *testbed.Host) (string, error) {
	data, err := os.ReadFile(filepath.Join(h.Root, "run/diagnosis.json"))
	if err != nil {
		return "", fmt.Errorf("whohas diagnose: %w", err)
	}
	var d struct {
		Verdict string
		Cause   *struct{ Rule, Address string }
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return "", fmt.Errorf("whohas diagnose: %w", err)
	}
	if d.Cause == nil {
		return d.Verdict, nil
	}
	return strings.Join([]string{d.Verdict, d.Cause.Rule, d.Cause.Address}, " "), nil
}
