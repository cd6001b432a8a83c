// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"whohas/testkit/clustergen"
)

// files are what was made of a cluster.
type files struct {
	dir     string // the dump or the tree of manifests
	planted []clustergen.Planted
}

const (
	stampFile   = "stamp"
	plantedFile = "planted.json"
	filesFolder = "files"
)

// store keeps clusters between runs, for making one takes longer than reading
// it. Each is a folder with a stamp, which is what the cluster was made by.
type store struct{ dir, root string }

// ensure makes the cluster unless the one that is there is what would be made.
func (s store) ensure(c *sample) (*files, error) {
	dir := filepath.Join(s.dir, c.Name)
	stamp, err := s.stamp(c)
	if err != nil {
		return nil, err
	}
	old, err := os.ReadFile(filepath.Join(dir, stampFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if string(old) != stamp {
		if err := s.renew(c, dir, stamp, len(old) > 0); err != nil {
			return nil, fmt.Errorf("generate %s: %w", c.Name, err)
		}
	}
	return open(dir)
}

// stamp changes with the generator. Its own text is what makes the bytes.
func (s store) stamp(c *sample) (string, error) {
	sum := sha256.New()
	for _, dir := range []string{"testkit/clustergen", "bench"} {
		err := filepath.WalkDir(filepath.Join(s.root, filepath.FromSlash(dir)), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || !makesBytes(dir, d.Name()) {
				return err
			}
			text, err := os.ReadFile(path)
			fmt.Fprintln(sum, d.Name(), len(text))
			sum.Write(text)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	as, err := json.Marshal(c)
	return fmt.Sprintf("%s %x\n", as, sum.Sum(nil)), err
}

func makesBytes(dir, name string) bool {
	if dir == "bench" {
		return name == "generate.go" || name == "pad.go"
	}
	return !strings.HasSuffix(name, "_test.go")
}

// renew takes away only what this program has stamped, and never leaves a half
// made cluster under the final name.
func (s store) renew(c *sample, dir, stamp string, old bool) error {
	saying("generating %s in %s", c.Name, s.dir)
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(partial, filesFolder), 0o755); err != nil {
		return err
	}
	as, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := runSelf(os.Stdout, "generate", string(as), partial); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(partial, stampFile), []byte(stamp), 0o644); err != nil {
		return err
	}
	if old {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return os.Rename(partial, dir)
}

func open(dir string) (*files, error) {
	text, err := os.ReadFile(filepath.Join(dir, plantedFile))
	if err != nil {
		return nil, err
	}
	f := &files{dir: filepath.Join(dir, filesFolder)}
	if err := json.Unmarshal(text, &f.planted); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, plantedFile), err)
	}
	return f, nil
}

// warm reads all files once, so that the disk is not what is measured, and
// counts their bytes.
func (f *files) warm() (int64, error) {
	var sum int64
	err := filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		n, err := io.Copy(io.Discard, file)
		sum += n
		return err
	})
	return sum, err
}
