// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"os"
	"path/filepath"
	"sync"
)

// charts knows which directories hold the templates of a Helm chart. The zero
// value is ready.
type charts struct {
	mu   sync.Mutex
	dirs map[string]bool
}

// template reports whether a file is one of a chart's templates: below a
// directory templates that stands beside a Chart.yaml.
func (c *charts) template(file string) bool {
	full, err := filepath.Abs(file)
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.below(filepath.Dir(full))
}

func (c *charts) below(dir string) bool {
	if known, ok := c.dirs[dir]; ok {
		return known
	}
	up := filepath.Dir(dir)
	is := false
	if filepath.Base(dir) == "templates" {
		_, err := os.Stat(filepath.Join(up, "Chart.yaml"))
		is = err == nil
	}
	if !is && up != dir {
		is = c.below(up)
	}
	if c.dirs == nil {
		c.dirs = map[string]bool{}
	}
	c.dirs[dir] = is
	return is
}
