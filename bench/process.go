// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// outcome is what one process took.
type outcome struct {
	wall time.Duration
	rss  int64 // bytes at most; 0 if unknown
}

// figures are those of the same process, run several times.
type figures struct {
	walls []float64 // seconds
	rss   int64     // the most of all
}

func (f *figures) add(o outcome) {
	f.walls = append(f.walls, o.wall.Seconds())
	f.rss = max(f.rss, o.rss)
}

// rates is how much of something each run did in a second.
func (f *figures) rates(amount float64) []float64 {
	rates := make([]float64, len(f.walls))
	for i, w := range f.walls {
		rates[i] = amount / w
	}
	return rates
}

func (b *bencher) repeat(runs int, name string, args ...string) (figures, error) {
	saying("%s %s, %d times", filepath.Base(name), strings.Join(args, " "), runs)
	var f figures
	for range runs {
		o, err := b.run(nil, name, args...)
		if err != nil {
			return f, err
		}
		f.add(o)
	}
	return f, nil
}

// run measures one process, which works in an empty folder: no configuration
// shall be found by chance.
func (b *bencher) run(stdout io.Writer, name string, args ...string) (outcome, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.temp, stdout, &stderr
	begun := time.Now()
	err := cmd.Run()
	o := outcome{wall: time.Since(begun)}
	if err != nil {
		return o, fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, stderr.Bytes())
	}
	o.rss = peak(cmd.ProcessState)
	return o, nil
}

// runSelf runs another part of this program.
func runSelf(stdout io.Writer, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	return cmd.Run()
}
