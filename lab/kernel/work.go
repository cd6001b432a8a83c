// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// shm holds the work folders: in memory, so that nothing reaches a disk, and on
// every Linux.
const shm = "/dev/shm"

const prefix = "whohas-lab-"

// Work is the one folder that a kernel may write to: its memory, its sockets,
// the programs it runs and what it brings back. Close removes it.
type Work struct {
	Dir   string
	owner *syscall.Credential // whom the kernel runs as; nil: as the caller
}

// NewWork makes a folder, after removing those of callers that are no more.
func NewWork() (*Work, error) {
	if err := sweep(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(shm, prefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, fmt.Errorf("make work folder: %w", err)
	}
	w := &Work{Dir: dir}
	if os.Geteuid() == 0 {
		if w.owner, err = nobody(); err != nil {
			return nil, errors.Join(err, w.Close())
		}
	}
	if err := w.prepare(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *Work) prepare() error {
	for _, name := range []string{"", "scratch", "bin", "out"} {
		path := filepath.Join(w.Dir, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return fmt.Errorf("make work folder: %w", err)
		}
		if err := os.Chmod(path, 0o755); err != nil {
			return fmt.Errorf("make work folder: %w", err)
		}
		if w.owner == nil || name == "bin" {
			continue
		}
		err := os.Chown(path, int(w.owner.Uid), int(w.owner.Gid))
		if errors.Is(err, syscall.EINVAL) {
			// Root of a user namespace in which there is nobody else (chown(2)): an
			// unprivileged user himself, outside.
			w.owner = nil
			continue
		}
		if err != nil {
			return fmt.Errorf("make work folder: %w", err)
		}
	}
	return nil
}

// nobody is the unprivileged user who owns nothing on a machine.
func nobody() (*syscall.Credential, error) {
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("find an unprivileged user: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("find an unprivileged user: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (w *Work) ids() (uid, gid int) {
	if w.owner != nil {
		return int(w.owner.Uid), int(w.owner.Gid)
	}
	return os.Getuid(), os.Getgid()
}

// Program is where an installed program lies.
func (w *Work) Program(name string) string { return filepath.Join(w.Dir, "bin", name) }

// Out is where the kernel leaves what it brings back.
func (w *Work) Out() string { return filepath.Join(w.Dir, "out") }

// Install copies a program to where the unprivileged user may read it.
func (w *Work) Install(name, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("install %s: %w", name, err)
	}
	defer in.Close()
	out, err := os.OpenFile(w.Program(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("install %s: %w", name, err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Chmod(0o755), out.Close()); err != nil { // whatever the umask
		return fmt.Errorf("install %s: %w", name, err)
	}
	return nil
}

// Give writes a file that the kernel reads.
func (w *Work) Give(name string, data []byte) (string, error) {
	path := filepath.Join(w.Dir, name)
	if err := errors.Join(os.WriteFile(path, data, 0o644), os.Chmod(path, 0o644)); err != nil {
		return "", fmt.Errorf("give %s: %w", name, err)
	}
	return path, nil
}

// Close removes the folder.
func (w *Work) Close() error { return os.RemoveAll(w.Dir) }

// sweep removes the folders of callers that were killed.
func sweep() error {
	dirs, err := filepath.Glob(filepath.Join(shm, prefix+"*"))
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		n, err := strconv.Atoi(pid)
		if err != nil || alive(n) {
			continue
		}
		// It may be another user's, or its kernel is just dying: then a later
		// start sees to it.
		_ = os.RemoveAll(dir)
	}
	return nil
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
