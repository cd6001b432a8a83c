// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// extensions are those of the files that kubectl reads in a directory.
var extensions = []string{".json", ".yaml", ".yml"}

// find lists the sources that a path on the command line stands for.
func (r *reader) find(named int, path string) {
	switch {
	case path == "-":
		r.add(source{name: path, named: named, open: r.stdin})
	case strings.HasPrefix(path, "http://"), strings.HasPrefix(path, "https://"):
		r.add(source{name: path, named: named, open: get(path)})
	default:
		r.findFile(named, path)
	}
}

func (r *reader) stdin(context.Context) (io.ReadCloser, error) {
	if r.Stdin == nil {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return io.NopCloser(r.Stdin), nil
}

func (r *reader) findFile(named int, path string) {
	info, err := os.Stat(path)
	if err == nil {
		r.addPath(named, path, info)
		return
	}
	matches, _ := filepath.Glob(path) // a broken pattern is a file that is not there
	if len(matches) == 0 {
		r.fail(named, path, reason(err))
		return
	}
	for _, m := range matches {
		info, err := os.Stat(m)
		if err != nil {
			r.fail(named, m, reason(err))
			continue
		}
		r.addPath(named, m, info)
	}
}

func (r *reader) addPath(named int, path string, info fs.FileInfo) {
	switch {
	case info.IsDir():
		r.walk(named, path)
	case info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0:
		r.fail(named, path, "block device")
	default:
		r.add(source{name: path, named: named, open: file(path)})
	}
}

// walk lists the files of a directory, in order. Links to directories are not
// followed, so that no loop of them holds it up.
func (r *reader) walk(named int, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.fail(named, dir, reason(err))
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir():
			if r.Recursive {
				r.walk(named, path)
			}
		case slices.Contains(extensions, filepath.Ext(path)):
			r.addEntry(named, path)
		}
	}
}

func (r *reader) addEntry(named int, path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		r.fail(named, path, reason(err))
	case info.IsDir():
		r.pass(path, "link to a directory, not followed")
	case !info.Mode().IsRegular():
		r.pass(path, "no regular file")
	default:
		r.add(source{name: path, named: named, open: file(path)})
	}
}

// add takes a source in, once for each path that leads to it.
func (r *reader) add(s source) {
	key := found{s.named, s.name}
	if !r.found[key] {
		r.found[key] = true
		r.sources = append(r.sources, s)
	}
}
