// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"whohas/source/file"
)

// readCapped reads a small regular file below a root.
func readCapped(root, name string) ([]byte, error) {
	f, err := openBelow(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return file.ReadOpen(f, file.Small)
}

// noFile says that nothing of that name could be a file to read: it is not there, or
// it is a folder. A pipe or a device where a file belongs is told.
func noFile(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EISDIR) }

// openBelow opens a file as the programs below the root see it: a link to
// /run/systemd/resolve stays below the root (man 2 openat2, RESOLVE_IN_ROOT, Linux
// 5.6; where there is no such call, or a filter forbids it, links go where they go).
// Nothing is waited for: a pipe would wait for its other end.
func openBelow(root, name string) (*os.File, error) {
	full := filepath.Join(root, filepath.FromSlash(name))
	if filepath.Clean(root) != "/" {
		dir, err := os.Open(root)
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK, Resolve: unix.RESOLVE_IN_ROOT}
		fd, err := unix.Openat2(int(dir.Fd()), cmp.Or(strings.TrimLeft(name, "/"), "."), &how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), full), nil
		case !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM):
			return nil, &fs.PathError{Op: "open", Path: full, Err: err}
		}
	}
	return os.OpenFile(full, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// glob finds the files of a pattern below the root, sorted; each starts with /. A
// folder that may not be read is an error beside what was found in others, unlike
// with filepath.Glob.
func (p place) glob(pattern string) ([]string, error) {
	found, failed := []string{"/"}, error(nil)
	for part := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		var next []string
		for _, dir := range found {
			if !strings.ContainsAny(part, "*?[") {
				next = append(next, path.Join(dir, part))
				continue
			}
			names, err := p.matches(dir, part)
			if err != nil && failed == nil {
				failed = err
			}
			next = append(next, names...)
		}
		found = next
	}
	slices.Sort(found)
	return found, failed
}

func (p place) matches(dir, part string) ([]string, error) {
	f, err := openBelow(p.root, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		ok, _ := path.Match(part, name) // the patterns are ours
		return !ok
	})
	for i, name := range names {
		names[i] = path.Join(dir, name)
	}
	return names, err
}
