// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/lab"
	"whohas/lab/testbed"
)

// The test of the confinement has a machine of its own, made of namespaces: a root
// folder in memory that one user owns, network devices, settings. A program that does
// harm can do it all there, nothing else writes to it, and what is left of it is
// compared whole.

// trace is the name of all that the harm leaves.
const trace = "whohas-harm"

// folders are where programs leave things; the last three are nobody's to write to.
var folders = []string{"/tmp", "/var/tmp", "/dev/shm", "/run", "/root", "/", "/etc", "/var/lib"}

// harm does all that a program in a kernel must not do to a machine, and does not
// care whether it succeeds.
func harm() {
	_ = unix.Mount("proc", "/proc", "proc", 0, "")
	for _, dir := range folders {
		// Perhaps it can be made writable, or what is on top be taken away.
		_ = unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND, "")
		_ = unix.MountSetattr(unix.AT_FDCWD, dir, unix.AT_RECURSIVE, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY})
		if dir != "/" {
			_ = unix.Unmount(dir, unix.MNT_DETACH)
		}
		_ = os.WriteFile(filepath.Join(dir, trace), []byte("harm\n"), 0o644)
	}
	_ = os.Remove("/etc/hosts")
	_ = os.WriteFile("/etc/machine-id", nil, 0o644)
	_ = os.Chmod("/etc/group", 0o777)
	_ = os.WriteFile("/proc/sys/net/ipv4/ip_default_ttl", []byte("13"), 0o644)
	_ = unix.Sethostname([]byte(trace))
	_ = netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: trace}})
	_ = unix.Mount("tmpfs", "/var/log", "tmpfs", 0, "")
	fmt.Print(Mark, loadNothing(), "\n")
	if testbed.Legacy() {
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
}

// loadNothing asks the kernel to load a module that is none, and gives the answer:
// that it is none, if one could be loaded.
func loadNothing() error { return unix.InitModule(make([]byte, 64), "") }

// report of one kernel on the test's machine.
type damage struct {
	Changed []string // what is another on the machine
	Said    []string // by the harm
	Left    bool     // Boot gives ErrLeft
	Error   string
}

// machine becomes a machine, does harm on it, without confinement and with it,
// and prints what came of it.
func machine(backends []string) error {
	if err := becomeMachine(); err != nil {
		return fmt.Errorf("make the machine: %w", err)
	}
	found := map[string]damage{}
	before := look()
	for _, name := range backends {
		var d damage
		err := d.run(lab.Backend(name))
		after := look()
		d.Changed, d.Left = changes(before, after), errors.Is(err, ErrLeft)
		if err != nil {
			d.Error = err.Error()
		}
		found[name], before = d, after
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

// unconfined is no back end: there the harm is the machine's own program.
const unconfined = "unconfined"

func (d *damage) run(backend lab.Backend) error {
	if backend == unconfined {
		out, err := exec.Command("/opt/self", "harm").Output()
		d.Said = append(d.Said, string(out))
		return err
	}
	w, err := NewWork()
	if err != nil {
		return err
	}
	if err := w.Install("lab", "/opt/self"); err != nil {
		return errors.Join(err, w.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), bootLimit)
	defer cancel()
	err = Boot(ctx, Options{
		Backend: backend, Work: w, Args: []string{"harm"}, Memory: "256M", Console: io.Discard,
		Message: func(m []byte) { d.Said = append(d.Said, string(m)) },
	})
	return errors.Join(err, w.Close())
}

// becomeMachine gives this process, which is in new namespaces, a root of its own
// that it can write to.
func becomeMachine() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	root := filepath.Join(os.Getenv("HOME"), "root")
	if err := testbed.MakeRoot(root); err != nil {
		return err
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(root, "opt/self"), self, 0o755), os.Mkdir(filepath.Join(root, shm), 0o777),
		unix.Mount("proc", filepath.Join(root, "proc"), "proc", 0, ""),
		os.Chdir(root), unix.PivotRoot(".", "."), unix.Unmount(".", unix.MNT_DETACH), os.Chdir("/"),
		os.Setenv("HOME", "/root"), os.Setenv("TMPDIR", ""),
	); err != nil {
		return err
	}
	return nil
}

// look lists all that the machine has: files, mounts, devices, settings.
func look() map[string]string {
	state := map[string]string{}
	_ = filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		if slices.Contains([]string{"/proc", "/sys", "/usr"}, path) {
			return filepath.SkipDir
		}
		info, err2 := os.Lstat(path)
		if err := errors.Join(err, err2); err != nil {
			state[path] = err.Error()
			return nil
		}
		state[path] = info.Mode().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			state[path] += fmt.Sprint(" ", len(data), err)
		}
		return nil
	})
	for _, file := range []string{"/proc/sys/net/ipv4/ip_default_ttl", "/proc/sys/kernel/hostname", "/proc/self/mountinfo"} {
		data, err := os.ReadFile(file)
		state[file] = fmt.Sprint(string(data), err)
	}
	links, err := net.Interfaces()
	state["links"] = fmt.Sprint(err)
	for _, l := range links {
		state["link "+l.Name] = "there"
	}
	return state
}

// changes names what is not the same in two states.
func changes(before, after map[string]string) []string {
	changed := map[string]bool{}
	for name := range before {
		changed[name] = changed[name] || before[name] != after[name]
	}
	for name := range after {
		changed[name] = changed[name] || before[name] != after[name]
	}
	maps.DeleteFunc(changed, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(changed))
}

// bootLimit bounds a boot, on a machine that is busy with other things.
const bootLimit = 5 * time.Minute

// TestConfined: a program that does harm does all of it without confinement, and
// nothing with it; what it wrote where programs write is said.
func TestConfined(t *testing.T) {
	backends := []string{string(lab.Namespaces)}
	if _, err := exec.LookPath("linux.uml"); err == nil {
		backends = append(backends, string(lab.UML))
	} else {
		t.Log("without User Mode Linux: no linux.uml")
	}
	found := onMachine(t, append(backends, unconfined)) // last: what is done already is no change
	all := []string{
		"/etc/group", "/etc/hosts", "/etc/machine-id", "/proc/self/mountinfo", "/proc/sys/kernel/hostname", "/proc/sys/net/ipv4/ip_default_ttl",
		"link " + trace, "/var/log", // on which something is mounted
	}
	for _, dir := range folders {
		all = append(all, filepath.Join(dir, trace))
	}
	slices.Sort(all)
	if diff := cmp.Diff(all, found[unconfined].Changed); diff != "" {
		t.Errorf("the harm, unconfined (-want +got): the test shows nothing:\n%s", diff)
	}
	left := fmt.Sprintf("%v: /dev/shm/%[2]s /tmp/%[2]s /var/tmp/%[2]s /run/%[2]s /root/%[2]s", ErrLeft, trace)
	for _, b := range backends {
		got := found[b]
		if len(got.Changed) > 0 {
			t.Errorf("%s: the machine has changed: %q", b, got.Changed)
		}
		if !got.Left || !strings.Contains(got.Error, left) {
			t.Errorf("%s: the boot says %q, want %q", b, got.Error, left)
		}
		if len(got.Said) != 1 {
			t.Errorf("%s: the harm was not done to its end: it says %q", b, got.Said)
		}
	}
	// Where a module could be loaded, the machine says that this is none.
	got := found[string(lab.Namespaces)].Said
	if mayNot := []string{unix.EPERM.Error(), unix.ENOSYS.Error()}; len(got) == 1 && !slices.Contains(mayNot, got[0]) {
		t.Errorf("asked for a module, the kernel says %q, want one of %q", got, mayNot)
	}
}

// onMachine does harm on a machine of namespaces and gives what came of it.
func onMachine(t *testing.T, backends []string) map[string]damage {
	t.Helper()
	w := newWork(t)
	// The namespaces of a cell, and no cell in them.
	cmd, err := confined(Options{Work: w, Backend: lab.Namespaces}, []string{"/"}, "HOME="+filepath.Join(w.Dir, "scratch"), "PATH="+os.Getenv("PATH"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = append([]string{cmd.Path, "machine"}, backends...)
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := run(t.Context(), cmd); err != nil {
		t.Fatalf("%v: %s%s", err, out.String(), said.String())
	}
	var found map[string]damage
	if err := json.Unmarshal([]byte(out.String()), &found); err != nil {
		t.Fatalf("%v: %q", err, out.String())
	}
	return found
}
