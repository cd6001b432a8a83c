// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernel

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"whohas/lab"
)

// apart are namespaces of every sort but that of users.
const apart = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

// confined calls the program installed as "lab" to confine itself, and then to run
// a command. It is root in a user namespace only: outside it is the unprivileged
// user who owns the work folder, so that what it cannot be trusted with it may not
// touch either.
func confined(o Options, command []string, env ...string) (*exec.Cmd, error) {
	c := cell{Backend: o.Backend, Work: o.Work.Dir, Empty: emptied(o.Work.Dir, command[0], "/usr"), Command: command}
	spec, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("boot %s: %w", o.Backend, err)
	}
	cmd := exec.Command(o.Work.Program("lab"), Confined, string(spec))
	cmd.Dir = "/"
	cmd.Env = env
	uid, gid := o.Work.ids()
	// Only the privileged may give up the groups of the caller, who else keeps what
	// is his anyway (user_namespaces(7)).
	privileged := o.Work.owner != nil
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER | apart,
		Pdeathsig:                  syscall.SIGKILL,
		UidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
		GidMappingsEnableSetgroups: privileged,
		Credential:                 &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: !privileged},
	}
	return cmd, nil
}

// namespaces runs the first process in namespaces of this machine's own kernel.
func namespaces(o Options) (*exec.Cmd, error) {
	command := append([]string{o.Work.Program("lab")}, o.Args...)
	return confined(o, command, "HOME="+o.Work.Dir, "TMPDIR="+o.Work.Dir, "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
}

// unprivileged is the number of a user, and of his group, who has no capabilities.
const unprivileged = 65534

// within says in which namespaces a kernel runs in its cell. They are of a user
// namespace of their own: those of the cell are not its to change. The first
// process of this machine's kernel makes hosts, as root of these; User Mode Linux
// makes nothing outside itself.
func within(b lab.Backend) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS}
	id := unprivileged
	if b == lab.Namespaces {
		attr.Cloneflags |= apart
		id = 0
	}
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: id, HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: id, HostID: os.Getgid(), Size: 1}}
	attr.Credential = &syscall.Credential{Uid: uint32(id), Gid: uint32(id), NoSetGroups: true}
	return attr
}
