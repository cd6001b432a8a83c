// SPDX-License-Identifier: Apache-2.0

// Command bench measures what the program promises about speed and memory, as
// whole processes on a large made-up cluster, and prints one table. It is told what
// to measure, commands or guard; without, it measures both.
//
// A figure never fails the run, as it depends on the machine. A wrong finding
// does: what is planted in the cluster must be found, and nothing else.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// children are the parts of this program that it runs as processes of their
// own, so that their memory is not mistaken for another's.
var children = map[string]func(args []string) error{
	"generate": generate,
	"register": register,
	"decide":   decide,
	"serve":    serve,
}

func main() {
	var err error
	if len(os.Args) > 1 && children[os.Args[1]] != nil {
		err = children[os.Args[1]](os.Args[2:])
	} else {
		err = bench()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

func bench() (err error) {
	dir := flag.String("dir", "", "where the generated clusters are kept (default whohas/bench in the user's cache; 4.5 GB)")
	runs := flag.Int("runs", 5, "how often each measurement is repeated")
	small := flag.Bool("small", false, "a fiftieth of the size, to see that everything works")
	decisions := flag.Int("decisions", 1_000_000, "how many decisions of the guard are made")
	lines := flag.String("o", "", "a file for the figures as lines of go test's benchmarks, for benchstat")
	asking := flag.Int("seconds", 60, "how long questions are put to the guard's webhook")
	flag.Parse()
	what := flag.Args()
	if len(what) == 0 {
		what = []string{"commands", "guard"}
	}
	if *runs < 1 || *decisions < 100*decisionParts || *asking < *runs {
		return errors.New("-runs of 1 or more, -decisions of 500 or more, -seconds no less than -runs; see -h")
	}
	kept, err := keptIn(*dir)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "whohas-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	b := &bencher{runs: *runs, decisions: *decisions, asking: *asking, sizes: sizes(*small), temp: temp, kept: kept, table: table{goals: !*small}, lines: *lines}
	return b.all(what)
}

// keptIn is the folder for what is generated: beside the programs that
// tools/build keeps, unless another is named.
func keptIn(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(dir)
	}
	if cache := os.Getenv("WHOHAS_CACHE"); cache != "" {
		return filepath.Abs(filepath.Join(cache, "bench"))
	}
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "whohas", "bench"), err
}
