// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// trees measures the check of manifests beside kubeconform, which reads the same
// text, in turns: what else the machine does meets both. Its schema allows
// everything and lies on the disk, so it parses and little more.
func (b *bencher) trees() error {
	tree := b.sizes.tree.files
	if _, err := tree.warm(); err != nil {
		return err
	}
	want, err := countManifests(tree.dir)
	if err != nil {
		return err
	}
	schema := b.tempFile("any.json")
	if err := os.WriteFile(schema, []byte("{}"), 0o644); err != nil {
		return err
	}
	var ours, theirs figures
	saying("whohas and kubeconform on manifests, %d times", b.runs)
	for range b.runs {
		if err := b.ours(&ours, tree.dir, want); err != nil {
			return err
		}
		if b.kubeconform == "" {
			continue
		}
		if err := b.theirs(&theirs, tree.dir, schema, want); err != nil {
			return err
		}
	}
	b.treeRows(ours, theirs, want.all)
	return nil
}

func (b *bencher) treeRows(ours, theirs figures, n int) {
	size := fmt.Sprintf("%d objects", n)
	b.table.add(row{what: "check of manifests", size: size, unit: objects, values: ours.rates(float64(n)), rss: ours.rss})
	if len(theirs.walls) == 0 {
		return
	}
	b.table.add(row{what: "  kubeconform", size: size, unit: objects, values: theirs.rates(float64(n)), rss: theirs.rss})
	ratios := make([]float64, len(ours.walls))
	for i := range ratios {
		ratios[i] = theirs.walls[i] / ours.walls[i]
	}
	b.table.add(row{what: "  whohas to kubeconform", unit: times, values: ratios, goal: goal{least: 3}})
}

func (b *bencher) ours(f *figures, dir string, want manifests) error {
	path := b.tempFile("tree.json")
	one, err := b.run(nil, b.whohas, checking(path, "-f", dir, "-R")...)
	if err != nil {
		return err
	}
	f.add(one)
	r, err := readReport(path)
	if err != nil {
		return err
	}
	// ConfigMaps that cannot say anything about addresses are read and not
	// counted.
	n := want.configMaps
	for _, c := range r.Coverage {
		if c.Status == "read" && c.Source != "configmaps" {
			n += c.Count
		}
	}
	b.sameCount("whohas", n, want.all)
	return nil
}

// theirs runs kubeconform with as many workers as it has by default.
func (b *bencher) theirs(f *figures, dir, schema string, want manifests) error {
	var out bytes.Buffer
	one, err := b.run(&out, b.kubeconform, "-schema-location", schema, "-summary", "-output", "json", dir)
	if err != nil {
		return err
	}
	f.add(one)
	var r struct{ Summary struct{ Valid int } }
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return fmt.Errorf("kubeconform's summary: %w", err)
	}
	b.sameCount("kubeconform", r.Summary.Valid, want.all)
	return nil
}

// sameCount notes where the two did not read the same.
func (b *bencher) sameCount(who string, n, want int) {
	if n != want {
		b.wrong = append(b.wrong, fmt.Sprintf("tree: %s read %d objects of %d", who, n, want))
	}
}

// manifests counts the objects of a tree.
type manifests struct{ all, configMaps int }

func countManifests(dir string) (manifests, error) {
	var m manifests
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		text = append([]byte("\n"), text...)
		m.all += bytes.Count(text, []byte("\nkind: "))
		m.configMaps += bytes.Count(text, []byte("\nkind: ConfigMap\n"))
		return err
	})
	return m, err
}
