// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"whohas/testkit/clustergen"
)

// generate writes a cluster into a folder.
func generate(args []string) error {
	var c sample
	if err := json.Unmarshal([]byte(args[0]), &c); err != nil {
		return err
	}
	dir := args[1]
	f := clustergen.New(c.Size)
	planted, err := json.Marshal(f.Planted())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, plantedFile), planted, 0o644); err != nil {
		return err
	}
	dir = filepath.Join(dir, filesFolder)
	if c.YAML {
		saying("  manifests")
		return f.WriteYAML(dir)
	}
	for _, kind := range f.Kinds() {
		saying("  %s", kind)
		if err := writeDump(f, kind, dir, c.Padded && kind == "pods"); err != nil {
			return err
		}
	}
	return nil
}

func writeDump(f *clustergen.Cluster, kind, dir string, padded bool) (err error) {
	file, err := os.Create(filepath.Join(dir, kind+".json"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if !padded {
		return f.WriteList(file, kind)
	}
	in, out := io.Pipe()
	go func() { out.CloseWithError(f.WriteList(out, kind)) }()
	err = pad(file, in)
	return errors.Join(err, in.Close()) // which ends the writer
}
