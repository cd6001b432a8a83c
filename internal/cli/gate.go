// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"whohas/internal/config"
	"whohas/internal/console"
)

// gatingConfig reads the configuration that a check goes by. With --base that is the
// one that --config names, or the base's own: the working folder is the change's, and
// a change must not excuse itself (decision 0020).
func (e *env) gatingConfig(f *checkFlags) (*config.Config, error) {
	if len(f.base) == 0 || f.config != "" {
		return config.Load(f.config)
	}
	found, err := configsOf(f.base)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(config.Name); err == nil && !holdsWorkingFolder(found) {
		e.Note("note: %s of the working folder is not read with --base, since a change could bring it; --config names one", config.Name)
	}
	switch len(found) {
	case 0:
		return &config.Config{}, nil
	case 1:
		return config.Load(found[0])
	}
	return nil, console.WithHint(fmt.Errorf("--base: more than one configuration: %s", strings.Join(found, ", ")), "--config names the one that counts")
}

// configsOf lists the configurations at the roots of the folders of a base.
func configsOf(base []string) ([]string, error) {
	var found []string
	for _, path := range base {
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			continue // what cannot be read is told where it is read
		}
		file := filepath.Join(path, config.Name)
		switch _, err := os.Lstat(file); {
		case err == nil:
			found = append(found, file)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("read configuration: %w", err)
		}
	}
	return found, nil
}

// holdsWorkingFolder reports whether the configuration of the working folder is one of
// the base's: a base of "." says so itself.
func holdsWorkingFolder(found []string) bool {
	own, err := os.Stat(config.Name)
	if err != nil {
		return false
	}
	for _, file := range found {
		if other, err := os.Stat(file); err == nil && os.SameFile(own, other) {
			return true
		}
	}
	return false
}
