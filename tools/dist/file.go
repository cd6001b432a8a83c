// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// file is one that is given to users, or one inside such a file.
type file struct {
	path string // with slashes
	mode fs.FileMode
	data []byte
}

func (f file) sum() string {
	s := sha256.Sum256(f.data)
	return hex.EncodeToString(s[:])
}

// under is the same file in a folder.
func (f file) under(dir string) file {
	f.path = dir + "/" + f.path
	return f
}

func byPath(a, b file) int { return strings.Compare(a.path, b.path) }

// read takes the files below a folder, sorted.
func read(dir string) ([]file, error) {
	var out []file
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		out = append(out, file{path, 0o644, text})
		return err
	})
	slices.SortFunc(out, byPath)
	return out, err
}

// below are the files of one folder, by their paths in it.
func below(files []file, dir string) []file {
	var out []file
	for _, f := range files {
		if rest, ok := strings.CutPrefix(f.path, dir+"/"); ok {
			f.path = rest
			out = append(out, f)
		}
	}
	return out
}
