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

	"whohas/snapshot"
)

// extensions are those of the files that kubectl reads in a directory.
var extensions = []string{".json", ".yaml", ".yml"}

// find lists the sources that a path on the command line stands for.
func (r *reader) find(ctx context.Context, named int, path string) {
	switch {
	case path == "-":
		r.add(named, path, r.stdin, true)
	case strings.HasPrefix(path, "http://"), strings.HasPrefix(path, "https://"):
		r.add(named, snapshot.WithoutSecrets(path), get(path), true)
	default:
		r.findFile(ctx, named, path)
	}
}

func (r *reader) stdin(context.Context) (io.ReadCloser, error) {
	if r.Stdin == nil {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return io.NopCloser(r.Stdin), nil
}

func (r *reader) findFile(ctx context.Context, named int, path string) {
	info, err := os.Stat(path)
	if err == nil {
		r.addPath(ctx, named, path, info)
		return
	}
	matches, _ := filepath.Glob(path) // a broken pattern is a file that is not there
	if len(matches) == 0 {
		r.fail(path, reason(err), named)
		return
	}
	for _, m := range matches {
		info, err := os.Stat(m)
		if err != nil {
			r.fail(m, reason(err), named)
			continue
		}
		r.addPath(ctx, named, m, info)
	}
}

func (r *reader) addPath(ctx context.Context, named int, path string, info fs.FileInfo) {
	switch {
	case info.IsDir():
		r.walk(ctx, named, path)
	case info.Mode()&fs.ModeDevice != 0 && info.Mode()&fs.ModeCharDevice == 0:
		r.fail(path, "block device", named)
	default:
		r.add(named, path, onDisk(path), !info.Mode().IsRegular())
	}
}

// walk lists the files of a directory, in order. Links to directories are not
// followed, so that no loop of them holds it up.
func (r *reader) walk(ctx context.Context, named int, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.fail(dir, reason(err), named)
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return // Read says so
		}
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir():
			if r.Recursive {
				r.walk(ctx, named, path)
			}
		case slices.Contains(extensions, filepath.Ext(path)):
			r.addEntry(named, path)
		default:
			r.passOver(path, e)
		}
	}
}

// passOver says what in a directory kubectl does not read and another tool may.
func (r *reader) passOver(path string, e fs.DirEntry) {
	if slices.Contains(extensions, strings.ToLower(filepath.Ext(path))) {
		r.pass(path, "not read: kubectl knows .json, .yaml and .yml alone, in small letters")
		return
	}
	if e.Type()&fs.ModeSymlink == 0 {
		return
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		r.pass(path, "link to a directory, not followed")
	}
}

func (r *reader) addEntry(named int, path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		r.fail(path, reason(err), named)
	case info.IsDir():
		r.pass(path, "link to a directory, not followed")
	case !info.Mode().IsRegular():
		r.pass(path, "no regular file")
	default:
		r.add(named, path, onDisk(path), false)
	}
}

// add takes a source in: once, however many paths lead to it.
func (r *reader) add(named int, name string, open opener, slow bool) {
	i, ok := r.places[name]
	if !ok {
		i = len(r.sources)
		r.places[name] = i
		r.sources = append(r.sources, source{name: name, open: open, slow: slow})
	}
	if s := &r.sources[i]; !slices.Contains(s.named, named) {
		s.named = append(s.named, named)
	}
}
