// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"slices"
	"time"
)

// archive is what somebody without a package manager unpacks, for one platform.
func (r *release) archive(p parts, t target) (file, error) {
	files := slices.Concat(
		[]file{{"kubectl-whohas" + t.exe(), 0o755, p.program}},
		p.documents, moved(p.manual, "man1", "man/man1"), moved(p.manual, "completions", "completions"))
	name, pack := fmt.Sprintf("kubectl-whohas_%s_%s_%s", r.version, t.os, t.arch), tarball
	if t.os == "windows" { // which runs no script of a shell
		name, pack = name+".zip", zipped
	} else {
		files = append(files, file{"kubectl_complete-whohas", 0o755, completeScript})
		name += ".tar.gz"
	}
	slices.SortFunc(files, byPath)
	data, err := pack(files, r.date)
	return file{name, 0o644, data}, err
}

// moved takes the files of one folder into another.
func moved(files []file, from, to string) []file {
	out := below(files, from)
	for i := range out {
		out[i] = out[i].under(to)
	}
	return out
}

func tarball(files []file, date time.Time) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.path, Size: int64(len(f.data)), Mode: int64(f.mode), ModTime: date, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	err = errors.Join(w.Close(), z.Close())
	return out.Bytes(), err
}

func zipped(files []file, date time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.path, Method: zip.Deflate, Modified: date}
		h.SetMode(f.mode)
		to, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := to.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}
