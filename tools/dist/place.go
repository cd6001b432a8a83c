// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sumsName is what sha256sum --check reads.
const sumsName = "SHA256SUMS"

func sums(files []file) file {
	var b strings.Builder
	for _, f := range files {
		b.WriteString(f.sum() + "  " + f.path + "\n")
	}
	return file{sumsName, 0o644, []byte(b.String())}
}

// place puts the files into a folder, and takes away what the last build has left there,
// by its list. What else is in the folder, such as images, stays.
func place(dir string, files []file) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	before, err := os.ReadFile(filepath.Join(dir, sumsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, line := range strings.Split(string(before), "\n") {
		_, name, ok := strings.Cut(line, "  ")
		if !ok || name != filepath.Base(name) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, f := range files { // the list comes last: it says that all is there
		if err := os.WriteFile(filepath.Join(dir, f.path), f.data, f.mode); err != nil {
			return err
		}
	}
	return nil
}
