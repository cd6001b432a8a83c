// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// TestColour: a terminal gets colour, unless it or its user does not want any.
func TestColour(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want bool
	}{
		{[]string{"TERM=xterm-256color"}, true},
		{[]string{"TERM=xterm-256color", "NO_COLOR="}, true}, // an empty one says nothing: https://no-color.org
		{[]string{"TERM=xterm-256color", "NO_COLOR=1"}, false},
		{[]string{"TERM=dumb"}, false},
	} {
		t.Run(strings.Join(tt.env, " "), func(t *testing.T) {
			text := onTerminal(t, tt.env, "check", "-f", incident)
			if !strings.Contains(text, "192.168.10.114 belongs to node cdev01") {
				t.Errorf("no report: %q", text)
			}
			if got := strings.Contains(text, "\x1b["); got != tt.want {
				t.Errorf("colour %v, want %v: %.300q", got, tt.want, text)
			}
		})
	}
	if text := onTerminal(t, []string{"TERM=xterm-256color"}, "check", "-f", incident, "-o", "json"); strings.Contains(text, "\x1b") {
		t.Errorf("JSON in colour: %.300q", text)
	}
}

// onTerminal runs whohas with a terminal as its stdout.
func onTerminal(t *testing.T, env []string, args ...string) string {
	t.Helper()
	master, slave := openTerminal(t)
	cmd := exec.Command("whohas", args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	cmd.Stdout = slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	var out bytes.Buffer
	_, _ = io.Copy(&out, master) // ends with EIO, when the last writer is gone
	_ = cmd.Wait()
	return out.String()
}

func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	var number, unlock int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCGPTN: &number, syscall.TIOCSPTLCK: &unlock} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Skipf("no terminals here: %v", errno)
		}
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	return master, slave
}
