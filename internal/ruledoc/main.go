// SPDX-License-Identifier: Apache-2.0

// Command ruledoc writes docs/rules: a page for each rule, from its
// documentation and its scenarios, and an index. Nothing there is written by
// hand: a page by hand tells some day what the rule no longer does.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", ".", "the repository")
	flag.Parse()
	if err := write(*root); err != nil {
		fmt.Fprintln(os.Stderr, "ruledoc: error:", err)
		os.Exit(1)
	}
}

const pagesDir = "docs/rules"

// write makes the folder hold the pages and no other.
func write(root string) error {
	pages, err := pages(root)
	if err != nil {
		return err
	}
	dir := filepath.Join(root, pagesDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	there, err := present(root)
	if err != nil {
		return err
	}
	for name := range there {
		if _, ok := pages[name]; !ok {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	for name, text := range pages {
		if there[name] == text {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// present reads what the folder holds.
func present(root string) (map[string]string, error) {
	dir := filepath.Join(root, pagesDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		files[e.Name()] = string(text)
	}
	return files, nil
}
