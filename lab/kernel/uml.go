// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernel

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/cpu"
)

//go:embed xstate/ptrace.c
var xstate string

// wideRegisters helps User Mode Linux where the processor has more registers than it
// knows of: xstate/ptrace.c says how. The folder gets the library for LD_PRELOAD; "" where none
// is needed.
func wideRegisters(dir string) (string, error) {
	if !cpu.X86.HasAMXTile {
		return "", nil
	}
	path := filepath.Join(dir, "xstate.so")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cc := exec.Command("gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", path, "-x", "c", "-")
	cc.Stdin = strings.NewReader(xstate)
	if out, err := cc.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build lab/kernel/xstate/ptrace.c: %w (this processor has AMX; Debian packages gcc and libc6-dev)\n%s", err, out)
	}
	if err := os.Chmod(path, 0o755); err != nil { // whatever the umask
		return "", fmt.Errorf("build lab/kernel/xstate/ptrace.c: %w", err)
	}
	return path, nil
}

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
	env := []string{"HOME=" + scratch, "TMPDIR=" + scratch, "PATH=" + os.Getenv("PATH")}
	preload, err := wideRegisters(filepath.Join(o.Work.Dir, "bin"))
	if err != nil {
		return nil, fmt.Errorf("boot uml: %w", err)
	}
	if preload != "" {
		env = append(env, "LD_PRELOAD="+preload)
	}
	return confined(o, command, env...)
}
