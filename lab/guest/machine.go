// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"whohas/lab"
	"whohas/lab/testbed"
)

// machine is the kernel and what outlives a scenario in it.
type machine struct {
	job   *lab.Job
	hosts string // the folder below which the hosts' roots stand
	out   string // where what is brought back goes
	pings uint16 // sent so far: each needs an id of its own

	// The last scenario's, which may carry the next one.
	topology lab.Topology
	testbed  *testbed.Testbed
	cluster  *Cluster
}

// prepare gives the first process a root in memory. That nothing of the real machine
// can be written but the folder for what is brought back is the work of lab/kernel,
// which confines this kernel; here it is kept from sight.
func prepare(job *lab.Job) (*machine, error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil && job.Backend != lab.UML {
		return nil, fmt.Errorf("make mounts private: %w", err)
	}
	if err := mountProc(job.Backend); err != nil {
		return nil, err
	}
	work := filepath.Dir(job.Out)
	root := filepath.Join(work, "scratch", "root")
	if job.Backend == lab.UML {
		names := basic
		if slices.ContainsFunc(job.Scenarios, func(s *lab.Scenario) bool { return !s.KernelOnly() }) {
			names = append(slices.Clone(basic), wanted...)
		}
		if err := loadModules(names); err != nil {
			return nil, err
		}
	}
	if err := testbed.MakeRoot(root); err != nil {
		return nil, err
	}
	for from, to := range map[string]string{filepath.Join(work, "bin"): "lab", job.Out: "out"} {
		to = filepath.Join(root, to)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return nil, fmt.Errorf("make root: %w", err)
		}
		if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
			return nil, fmt.Errorf("bind %s: %w", from, err)
		}
	}
	if err := unix.Chroot(root); err != nil {
		return nil, fmt.Errorf("change root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return nil, fmt.Errorf("change root: %w", err)
	}
	// kube-apiserver makes a label of it.
	if err := unix.Sethostname([]byte("lab")); err != nil {
		return nil, fmt.Errorf("set host name: %w", err)
	}
	if err := os.Setenv("PATH", testbed.Path); err != nil {
		return nil, fmt.Errorf("set PATH: %w", err)
	}
	return &machine{job: job, hosts: "/hosts", out: "/out"}, nil
}

func mountProc(b lab.Backend) error {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	if b == lab.UML {
		if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
			return fmt.Errorf("mount sysfs: %w", err)
		}
	}
	return nil
}

// shell opens a shell on a host, at the console.
func (m *machine) shell(p *executor) {
	if m.job.Shell == "" || p.testbed == nil {
		return
	}
	h := p.testbed.Host(m.job.Shell)
	if h == nil {
		p.note("no host " + m.job.Shell + " for a shell")
		return
	}
	fmt.Printf("shell on %s; exit ends the run\n", h.Name)
	cmd := exec.Command("/bin/bash", "-i")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "TERM=xterm", `PS1=\[\e[1m\]`+h.Name+`\[\e[0m\]:\w\$ `)
	// User Mode Linux has its console to itself: a session there, so that ^C
	// reaches what runs in it. Elsewhere the terminal is the caller's, in whose
	// group it must stay.
	uml := m.job.Backend == lab.UML
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: uml, Setctty: uml}
	if err := h.Start(cmd); err != nil {
		p.note("open shell: " + err.Error())
		return
	}
	_ = cmd.Wait()
}

// kernelRelease is the running kernel's release.
func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return strings.TrimSpace(unix.ByteSliceToString(u.Release[:]))
}

// versions is what a scenario runs on: the kernel, and what the runner says of
// the programs that it installed.
func (x *executor) versions() string {
	text := "kernel " + kernelRelease() + "\n"
	for _, program := range x.scenario.Cluster.Programs() {
		text += program + " " + x.job.Versions[program] + "\n"
	}
	return text
}
