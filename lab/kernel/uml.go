// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernel

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// userMode runs Debian's User Mode Linux on the machine's own file system, as a
// user who may write nowhere but in the work folder. Its UNIX sockets and its
// memory file go there too (HOME, TMPDIR, uml_dir).
func userMode(o Options) (*exec.Cmd, error) {
	linux, err := exec.LookPath("linux.uml")
	if err != nil {
		return nil, fmt.Errorf("boot uml: %w (Debian package user-mode-linux)", err)
	}
	memory := o.Memory
	if memory == "" {
		memory = "1G"
	}
	scratch := filepath.Join(o.Work.Dir, "scratch")
	cmd := exec.Command(linux,
		"root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", "mem="+memory,
		"con=null", "con0=fd:0,fd:1", "ssl=null", "quiet", "loglevel=3", "devtmpfs.mount=0", // which would hide /dev/shm
		"uml_dir="+scratch, "umid=lab", "hostname=lab",
		"init="+o.Work.Program("lab"), "--")
	cmd.Args = append(cmd.Args, o.Args...)
	cmd.Dir = "/"
	cmd.Env = []string{"HOME=" + scratch, "TMPDIR=" + scratch, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = apart(o.Work, 0)
	return cmd, nil
}

// apart puts a process in a PID namespace of its own, as an unprivileged user,
// to be killed with its parent. Where the caller has no privileges itself, a
// user namespace gives it the right to make the others.
func apart(w *Work, flags uintptr) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | flags, Pdeathsig: syscall.SIGKILL}
	if w.owner != nil {
		attr.Credential = w.owner
		return attr
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	return attr
}
