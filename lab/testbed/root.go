// SPDX-License-Identifier: Apache-2.0

//go:build linux

package testbed

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// MakeRoot makes a root folder in memory: the machine's programs can be read in
// it and nothing of the machine can be written. /lab holds the lab's own
// programs. Called on a host's thread, /sys is that host's.
func MakeRoot(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make root: %w", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount root: %w", err)
	}
	for _, name := range []string{"etc", "run", "var/lib", "var/log", "var/tmp", "tmp", "root", "proc", "sys", "dev", "opt", "lab", "usr"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	if err := os.Symlink("/run", filepath.Join(dir, "var/run")); err != nil {
		return fmt.Errorf("make root: %w", err)
	}
	for _, step := range []func(string) error{bindPrograms, copySettings, tables, mountSystem} {
		if err := step(dir); err != nil {
			return err
		}
	}
	return nil
}

// bindPrograms shows /usr and, through it or beside it, /bin and the like.
func bindPrograms(dir string) error {
	for _, name := range []string{"usr", "lab"} {
		if _, err := os.Stat("/" + name); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		to := filepath.Join(dir, name)
		if err := bind("/"+name, to); err != nil {
			return err
		}
		// Nobody owns the machine's files in here, so that a program which takes on its
		// owner's rights, as mount does, would lose those of root.
		err := unix.MountSetattr(unix.AT_FDCWD, to, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID})
		if err != nil {
			return fmt.Errorf("bind %s: %w", name, err)
		}
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		target, err := os.Readlink("/" + name)
		if err == nil {
			if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("make root: %w", err)
			}
			continue
		}
		if info, err := os.Stat("/" + name); err == nil && info.IsDir() {
			if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
				return fmt.Errorf("make root: %w", err)
			}
			if err := bind("/"+name, filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s: %w", from, err)
	}
	return nil
}

// settings are the files of /etc without which programs fail or wait.
var settings = map[string]string{
	"passwd":        "root:x:0:0:root:/root:/bin/sh\nbird:x:990:990::/run:/bin/false\nnobody:x:65534:65534::/:/bin/false\n",
	"group":         "root:x:0:\nbird:x:990:\nnogroup:x:65534:\n",
	"hosts":         "127.0.0.1 localhost lab\n",
	"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nprotocols: files\nservices: files\n",
	"resolv.conf":   "",
	"machine-id":    "00000000000000000000000000000001\n",
}

func copySettings(dir string) error {
	for name, text := range settings {
		if err := os.WriteFile(filepath.Join(dir, "etc", name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	for _, name := range []string{"protocols", "services", "ethertypes", "iproute2"} {
		from := filepath.Join("/etc", name)
		info, err := os.Stat(from)
		if err != nil {
			continue // ip and iptables know the usual names without it
		}
		if info.IsDir() {
			err = os.CopyFS(filepath.Join(dir, "etc", name), os.DirFS(from))
		} else {
			var data []byte
			if data, err = os.ReadFile(from); err == nil {
				err = os.WriteFile(filepath.Join(dir, "etc", name), data, 0o644)
			}
		}
		if err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	return nil
}

// tables puts iptables first in the path: kube-proxy runs what it finds there.
// It is the legacy one on a kernel that has no nftables, User Mode Linux, and
// nft's elsewhere. Debian's own names lead through /etc/alternatives, which is
// not there, and need not lead to the same.
func tables(dir string) error {
	program := "/usr/sbin/xtables-nft-multi"
	if Legacy() {
		program = "/usr/sbin/xtables-legacy-multi"
	}
	to := filepath.Join(dir, "opt/iptables")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("make root: %w", err)
	}
	for _, name := range []string{
		"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore",
	} {
		if err := os.Symlink(program, filepath.Join(to, name)); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
	}
	return nil
}

// Legacy reports whether the running kernel is User Mode Linux, whose Debian build
// has no nftables family ip or inet (CONFIG_NF_TABLES_INET is not set).
func Legacy() bool {
	data, err := os.ReadFile("/proc/cpuinfo")
	return err == nil && bytes.Contains(data, []byte("User Mode Linux"))
}

// devices are the device nodes that programs need.
var devices = []struct {
	name         string
	major, minor uint32
}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}, {"ptmx", 5, 2}, {"kmsg", 1, 11}}

func mountSystem(dir string) error {
	if err := bindOrMount("proc", filepath.Join(dir, "proc")); err != nil {
		return err
	}
	// In a user namespace sysfs may be refused; who needs it says so.
	_ = unix.Mount("sysfs", filepath.Join(dir, "sys"), "sysfs", 0, "")
	for _, d := range devices {
		path := filepath.Join(dir, "dev", d.name)
		if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor))); err == nil {
			_ = os.Chmod(path, 0o666)
			continue
		}
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			return fmt.Errorf("make root: %w", err)
		}
		if err := bind("/dev/"+d.name, path); err != nil && d.name != "kmsg" {
			return err
		}
	}
	return nil
}

// bindOrMount shows the /proc that is there already: it is of the PID namespace
// that all hosts of a testbed share.
func bindOrMount(kind, to string) error {
	if _, err := os.Stat("/proc/self/ns/net"); err == nil {
		return bind("/proc", to)
	}
	if err := unix.Mount(kind, to, kind, 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", kind, err)
	}
	return nil
}

func leaveRoot(dir string) error {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave %s: %w", dir, err)
	}
	return nil
}
