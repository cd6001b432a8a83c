// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"whohas/lab"
)

// TestMain lets the test binary be a kernel's first process: what it is called
// with says how it behaves.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case Confined:
			os.Exit(Confine(os.Args[2]))
		case "quit":
			os.Exit(3)
		case "leave":
			// Its child holds the console, in a session of its own.
			if err := exec.Command("/usr/bin/setsid", "/bin/sleep", "1000").Start(); err != nil {
				os.Exit(4)
			}
			os.Exit(0)
		case "hang":
			_, _ = os.Stdout.WriteString(Mark + "up\n")
			select {}
		case "harm":
			harm()
			os.Exit(0)
		case "machine":
			if err := machine(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

func requireUML(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("linux.uml"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no linux.uml: run tools/packages")
		}
		t.Skip("SKIPPED: no linux.uml: run tools/packages")
	}
}

// newWork makes a work folder with the test binary in it as "lab".
func newWork(t *testing.T) *Work {
	t.Helper()
	w, err := NewWork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Install("lab", self); err != nil {
		t.Fatal(err)
	}
	return w
}

// boot boots the test binary with a word that says how it behaves.
func boot(ctx context.Context, t *testing.T, backend lab.Backend, word string, message func()) (console string, err error) {
	t.Helper()
	if backend == lab.UML {
		requireUML(t)
	}
	w := newWork(t)
	var out bytes.Buffer
	err = Boot(ctx, Options{
		Backend: backend, Work: w, Args: []string{word}, Memory: "256M",
		Message: func([]byte) { message() }, Console: &out,
	})
	return out.String(), err
}

// TestPanic: a kernel whose first process ends panics, and the boot ends with
// it and not with its time.
func TestPanic(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	console, err := boot(ctx, t, lab.UML, "quit", func() {})
	if ctx.Err() != nil {
		t.Fatalf("the kernel ran until its time was over; console:\n%s", console)
	}
	if !errors.Is(err, errPanic) {
		t.Errorf("error %v, want that the kernel panicked", err)
	}
	if want := "Attempted to kill init! exitcode=0x00000300"; !strings.Contains(console, want) {
		t.Errorf("the console does not say %q:\n%s", want, console)
	}
}

// TestLeftBehind: what the first process leaves behind holds the console open,
// and dies with the kernel.
func TestLeftBehind(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	if _, err := boot(ctx, t, lab.Namespaces, "leave", func() {}); err != nil {
		t.Error(err)
	}
}

// TestEnd: a boot whose context ends is over at once, and says why.
func TestEnd(t *testing.T) {
	for _, backend := range []lab.Backend{lab.UML, lab.Namespaces} {
		t.Run(string(backend), func(t *testing.T) {
			why := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			_, err := boot(ctx, t, backend, "hang", func() { cancel(why) })
			if !errors.Is(err, why) {
				t.Errorf("error %v, want %v", err, why)
			}
		})
	}
}

// TestUmask: the kernel's user can read what he is given, whatever the caller's umask.
func TestUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	w := newWork(t)
	given, err := w.Give("job.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{w.Dir: 0o755, w.Program("lab"): 0o755, given: 0o644} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has %v (%v), want %v", path, info.Mode(), err, want)
		}
	}
}

// TestSweep: a start removes the folders of callers that are no more, and no
// others.
func TestSweep(t *testing.T) {
	gone := exec.Command("/bin/true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	left, err := os.MkdirTemp(shm, prefix+strconv.Itoa(gone.Process.Pid)+"-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(left)
	if err := os.WriteFile(filepath.Join(left, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mine, err := NewWork()
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s of a process that has ended is still there (%v)", left, err)
	}
	other, err := NewWork()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := os.Stat(mine.Dir); err != nil {
		t.Errorf("the folder of a caller that lives was swept: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(other.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Close left %s", other.Dir)
	}
}
