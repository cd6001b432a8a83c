// SPDX-License-Identifier: Apache-2.0

// Command manual writes the man pages of both programs, and what shells complete
// kubectl-whohas by, from their commands. The same commands give the same bytes.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"whohas/internal/cli"
	"whohas/internal/guardcli"
)

func main() {
	dir := flag.String("o", "dist/manual", "the folder to write into")
	release := flag.String("version", "devel", "the release, for the foot of the pages")
	date := flag.String("date", "", "the pages' date, as 2026-12-31")
	flag.Parse()
	if err := run(*dir, *release, *date); err != nil {
		fmt.Fprintln(os.Stderr, "manual: error:", err)
		os.Exit(1)
	}
}

func run(dir, release, date string) error {
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return fmt.Errorf("-date: %w", err)
	}
	whohas := cli.Commands()
	files := map[string]string{}
	for _, root := range append(pagesOf(whohas), pagesOf(guardcli.Commands())...) {
		files["man1/"+name(root)+".1"] = page(root, release, date)
	}
	if err := completions(whohas, files); err != nil {
		return err
	}
	for path, text := range files {
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
