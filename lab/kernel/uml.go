// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernel

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// userMode runs Debian's User Mode Linux on the machine's own file system, as far
// as its cell shows it. Its UNIX sockets and its memory file go to the work folder
// (HOME, TMPDIR, uml_dir).
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
	command := append([]string{
		linux, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", "mem=" + memory,
		"con=null", "con0=fd:0,fd:1", "ssl=null", "quiet", "loglevel=3", "devtmpfs.mount=0", // which would hide /dev/shm
		"uml_dir=" + scratch, "umid=lab", "hostname=lab",
		"init=" + o.Work.Program("lab"), "--",
	}, o.Args...)
	return confined(o, command, "HOME="+scratch, "TMPDIR="+scratch, "PATH="+os.Getenv("PATH"))
}
