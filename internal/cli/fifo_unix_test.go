// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func cmdMkfifo(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 1, "mkfifo FILE")
	ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o600))
}

// TestInterrupt: who presses Ctrl-C wants to leave, and gets no report on half
// of what was asked for.
func TestInterrupt(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("whohas", "check", "-f", fifo, "-f", incident)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	writer := openWriter(t, fifo, ended)
	defer writer.Close()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		t.Fatalf("still runs a minute after an interrupt")
	}
	if status := cmd.ProcessState.ExitCode(); status != exitFailed || out.Len() > 0 || errs.String() != "whohas: error: interrupted while reading "+fifo+", "+incident+"\n" {
		t.Errorf("exit status %d\n%s\n%s", status, &out, &errs)
	}
}

// openWriter opens a FIFO once somebody has opened it to read.
func openWriter(t *testing.T, fifo string, ended <-chan error) *os.File {
	t.Helper()
	for {
		w, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			return w
		}
		select {
		case err := <-ended:
			t.Fatalf("ended before it read: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
