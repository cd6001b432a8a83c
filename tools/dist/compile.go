// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"time"
)

// compile builds one of the programs with nothing in it of where and when that was done.
// What the go command would say of the commit is set by us: it depends on the checkout.
func (r *release) compile(program string, t target) ([]byte, error) {
	dir, err := os.MkdirTemp("", "whohas-dist-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, program)
	const in = " -X whohas/internal/console."
	_, err = r.command([]string{"GOOS=" + t.os, "GOARCH=" + t.arch}, "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid="+in+"version="+r.name+in+"commit="+r.commit+in+"date="+r.date.Format(time.RFC3339),
		"-o", path, "./cmd/"+program)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// manual is the man pages and the completions.
func (r *release) manual() ([]file, error) {
	dir, err := os.MkdirTemp("", "whohas-manual-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// GOOS may say for whom somebody builds; this runs here.
	_, err = r.command([]string{"GOOS=", "GOARCH="}, "go", "run", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"./internal/manual", "-o", dir, "-version", r.name, "-date", r.date.Format(time.DateOnly))
	if err != nil {
		return nil, err
	}
	return read(dir)
}
