// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernel

import (
	"os/exec"
	"syscall"
)

// namespaces runs the first process in namespaces of every sort on this
// machine's own kernel. It is root in a user namespace only: outside it is the
// unprivileged user who owns the work folder, so that what it cannot be trusted
// with it may not touch either.
func namespaces(o Options) (*exec.Cmd, error) {
	cmd := exec.Command(o.Work.Program("lab"), o.Args...)
	cmd.Dir = "/"
	cmd.Env = []string{"HOME=" + o.Work.Dir, "TMPDIR=" + o.Work.Dir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	uid, gid := o.Work.ids()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET |
			syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:                  syscall.SIGKILL,
		UidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
		GidMappingsEnableSetgroups: false,
		Credential:                 &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true},
	}
	return cmd, nil
}
