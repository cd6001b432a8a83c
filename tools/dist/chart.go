// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// chart lets helm check the guard's chart and pack it. helm writes the time of packing on
// each file, so that what it has packed is packed again.
func (r *release) chart() (file, error) {
	helm, err := r.tool("helm")
	if err != nil {
		return file{}, err
	}
	dir, err := os.MkdirTemp("", "whohas-chart-")
	if err != nil {
		return file{}, err
	}
	defer os.RemoveAll(dir)
	// What the caller's helm is set up to do is not asked.
	env := []string{"HELM_CACHE_HOME=" + dir, "HELM_CONFIG_HOME=" + dir, "HELM_DATA_HOME=" + dir}
	from := filepath.Join(r.root, "deploy", "chart", guard)
	if out, err := r.command(env, helm, "lint", "--strict", from); err != nil {
		return file{}, fmt.Errorf("%w:\n%s", err, out)
	}
	if _, err := r.command(env, helm, "package", from, "-d", dir, "--version", r.version, "--app-version", r.name); err != nil {
		return file{}, err
	}
	name := guard + "-" + r.version + ".tgz"
	packed, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return file{}, err
	}
	files, err := unpacked(packed)
	if err != nil {
		return file{}, err
	}
	slices.SortStableFunc(files, chartFirst)
	data, err := tarball(files, r.date)
	return file{name, 0o644, data}, err
}

// chartFirst puts Chart.yaml before the rest: who reads the head of an archive finds it.
func chartFirst(a, b file) int {
	first := func(f file) int {
		if f.path == guard+"/Chart.yaml" {
			return 0
		}
		return 1
	}
	if d := first(a) - first(b); d != 0 {
		return d
	}
	return byPath(a, b)
}

func unpacked(tgz []byte) ([]file, error) {
	z, err := gzip.NewReader(bytes.NewReader(tgz))
	if err != nil {
		return nil, err
	}
	var out []file
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		out = append(out, file{h.Name, fs.FileMode(h.Mode).Perm(), data})
	}
}
