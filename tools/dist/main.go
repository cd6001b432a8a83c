// SPDX-License-Identifier: Apache-2.0

// Dist builds what is given to users, as files: archives, packages, the chart, and what
// says where they come from. The same commit gives the same bytes with the same Go.
//
//	go run -C tools/dist . -root ../.. -o ../../dist
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// everywhere is what is built for.
const everywhere = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64"

// nowhere stands for the public home until there is one: a name that never resolves (RFC 2606).
const nowhere = "https://whohas.invalid"

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "dist: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("dist", flag.ContinueOnError)
	root := flags.String("root", ".", "the repository")
	out := flags.String("o", "dist", "the folder to write into")
	platforms := flags.String("platforms", everywhere, "what to build for")
	home := flags.String("home", nowhere, "where releases are published, for the krew manifest and the packages")
	if err := flags.Parse(args); err != nil {
		return err
	}
	targets, err := targetsOf(*platforms)
	if err != nil {
		return err
	}
	r, err := releaseAt(*root, *home)
	if err != nil {
		return err
	}
	made, err := r.make(targets)
	if err != nil {
		return err
	}
	if err := place(*out, made); err != nil {
		return err
	}
	for _, f := range made {
		fmt.Fprintf(stdout, "%s  %9d  %s\n", f.sum()[:12], len(f.data), f.path)
	}
	return nil
}

// target is a platform that is built for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

// exe is how a program's name ends there.
func (t target) exe() string {
	if t.os == "windows" {
		return ".exe"
	}
	return ""
}

func targetsOf(list string) ([]target, error) {
	var out []target
	for _, text := range strings.Split(list, ",") {
		if !strings.Contains(","+everywhere+",", ","+text+",") || text == "" {
			return nil, fmt.Errorf("platform %q: none of %s", text, everywhere)
		}
		os, arch, _ := strings.Cut(text, "/")
		out = append(out, target{os, arch})
	}
	return out, nil
}
