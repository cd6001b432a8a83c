// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"whohas/lab"
)

// Confined is the word with which the program that is installed as "lab" is
// called to confine itself: it then calls Confine with what follows the word.
const Confined = "confined"

// cell says what to confine, and to where.
type cell struct {
	Backend lab.Backend
	Work    string   // the one folder that can be written to
	Empty   []string // folders in place of which there is an empty one in memory
	Command []string // what runs in it
}

// verdict is what a cell reports when all in it has ended.
type verdict struct {
	Error string   // why nothing could be confined
	Left  []string // what was written beside the work folder
}

// report is the file descriptor that a cell reports to: the first of
// exec.Cmd.ExtraFiles.
const report = 3

// Confine is the first process of a kernel's namespaces: it takes away what the
// kernel must not reach, runs it, and ends with its exit status. It never returns
// to the caller's state: exit with what it gives.
func Confine(spec string) int {
	// Caught, not ignored: what is ignored stays so in every program it starts.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	syscall.CloseOnExec(report)
	syscall.Umask(0o022) // the caller's may be stricter than the users of a host can live with
	status, v := 1, verdict{}
	var c cell
	err := json.Unmarshal([]byte(spec), &c)
	if err == nil {
		err = c.close()
	}
	if err == nil {
		status, err = c.run()
	}
	if err != nil {
		v.Error = err.Error()
	}
	v.Left = c.left()
	if err := json.NewEncoder(os.NewFile(report, "report")).Encode(v); err != nil {
		return 1
	}
	return status
}

// close makes every mount of the namespace read-only and its own, and puts the
// few things on top that a kernel needs to write to. A mount that is read-only
// stops no writing to a device or a socket: /dev holds none but those of devices,
// and where programs keep their sockets, in /run and /tmp, there is nothing.
func (c *cell) close() error {
	keep, err := pick(c.Work, devices)
	if err != nil {
		return err
	}
	err = setMount("/", unix.AT_RECURSIVE, &unix.MountAttr{
		Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID, Propagation: unix.MS_PRIVATE,
	})
	if err != nil {
		return fmt.Errorf("make all mounts read-only: %w (this takes Linux 5.12)", err)
	}
	const safe = unix.MS_NOSUID | unix.MS_NODEV
	// This PID namespace's, without which no namespace can be made in it.
	if err := unix.Mount("proc", "/proc", "proc", safe|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	// In a user namespace sysfs may be refused; who needs it says so.
	_ = unix.Mount("sysfs", "/sys", "sysfs", safe|unix.MS_NOEXEC, "")
	if err := keep.makeDev(); err != nil {
		return err
	}
	if err := c.empty(safe); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Work, 0o755); err != nil {
		return fmt.Errorf("keep the work folder: %w", err)
	}
	if err := keep.put(c.Work); err != nil {
		return err
	}
	return setMount(c.Work, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY})
}

func (c *cell) empty(flags uintptr) error {
	var reached []string
	for _, dir := range c.Empty {
		err := unix.Mount("tmpfs", dir, "tmpfs", flags, "mode=1777")
		if errors.Is(err, unix.EACCES) {
			continue // in a folder that the kernel's user may not enter
		}
		if err != nil {
			return fmt.Errorf("empty %s: %w", dir, err)
		}
		reached = append(reached, dir)
	}
	c.Empty = reached
	return nil
}

func setMount(path string, flags uint, attr *unix.MountAttr) error {
	if err := unix.MountSetattr(unix.AT_FDCWD, path, flags, attr); err != nil {
		return fmt.Errorf("set the mount %s: %w", path, err)
	}
	return nil
}

// devices are those that programs need, and that everybody may use.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx", "kmsg"}

// picked are files and folders that are kept when something is mounted over them.
type picked map[string]int // path: file descriptor of a mount

// pick picks the work folder and those devices that are there.
func pick(work string, devices []string) (picked, error) {
	p := picked{}
	paths := []string{work}
	for _, name := range devices {
		paths = append(paths, "/dev/"+name)
	}
	for _, path := range paths {
		fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		if errors.Is(err, fs.ErrNotExist) && path != work {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("keep %s: %w", path, err)
		}
		p[path] = fd
	}
	return p, nil
}

// put mounts what was picked where it was.
func (p picked) put(path string) error {
	if err := unix.MoveMount(p[path], "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("keep %s: %w", path, err)
	}
	return unix.Close(p[path])
}

// makeDev makes a /dev of nothing but the picked devices.
func (p picked) makeDev() error {
	if err := unix.Mount("tmpfs", "/dev", "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=0755"); err != nil {
		return fmt.Errorf("make /dev: %w", err)
	}
	if err := os.Mkdir(shm, 0o755); err != nil {
		return fmt.Errorf("make /dev: %w", err)
	}
	for path := range p {
		if filepath.Dir(path) != "/dev" {
			continue
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			return fmt.Errorf("make /dev: %w", err)
		}
		if err := p.put(path); err != nil {
			return err
		}
	}
	return setMount("/dev", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// run runs the command until it, and all that it started, has ended. It is in
// user and mount namespaces of its own, in which nobody can undo a mount of this
// one, nor make it writable (user_namespaces(7), mount_namespaces(7): such mounts
// and their flags are locked).
func (c *cell) run() (status int, err error) {
	cmd := exec.Command(c.Command[0], c.Command[1:]...)
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = within(c.Backend)
	err = cmd.Run()
	// The first process of a PID namespace: -1 is all others in it.
	_ = syscall.Kill(-1, syscall.SIGKILL)
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode() & 0xff, nil // -1: killed by a signal
	}
	return 0, err
}

// most bounds how much of what was left is named.
const most = 20

// left lists what is in the folders that were empty.
func (c *cell) left() []string {
	var list []string
	for _, dir := range c.Empty {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				list = append(list, err.Error())
			case path == c.Work:
				return filepath.SkipDir
			case d.IsDir() && inside(c.Work, path), slices.Contains(c.Empty, path):
			default:
				list = append(list, path)
			}
			if len(list) == most {
				list = append(list, "...")
				return filepath.SkipAll
			}
			return nil
		})
	}
	return list
}

// inside reports whether a path is a folder's, or the folder's own.
func inside(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// emptied lists the folders that programs write to without being asked, as far as
// they are there: a write that nobody answers for is found in them at the end. All
// others are read-only. None of them holds what is needed.
func emptied(needed ...string) []string {
	list := []string{shm} // first: it holds the work folder
	home, _ := os.UserHomeDir()
	for _, dir := range []string{"/tmp", "/var/tmp", "/run", home, os.TempDir()} {
		dir, err := filepath.EvalSymlinks(dir)
		if err != nil || !filepath.IsAbs(dir) {
			continue
		}
		info, err := os.Stat(dir)
		hides := slices.ContainsFunc(append(needed, list...), func(other string) bool { return inside(other, dir) })
		hidden := slices.ContainsFunc(append([]string{"/dev", "/proc", "/sys"}, list...), func(other string) bool { return inside(dir, other) })
		if err == nil && info.IsDir() && !hides && !hidden {
			list = append(list, dir)
		}
	}
	return list
}
