// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"os"
	"path/filepath"
)

// The programs: people install the first, clusters run the image of the second.
const (
	whohas = "kubectl-whohas"
	guard  = "whohas-guard"
)

// source is a program's folder in cmd/.
var source = map[string]string{whohas: "whohas", guard: "whohas-guard"}

//go:embed package/kubectl_complete-whohas
var completeScript []byte

// parts are what archives and packages for one platform are made of.
type parts struct {
	program   []byte
	manual    []file // man1/, completions/
	documents []file // LICENSE and what else people read first
	examples  []file
}

// make builds everything. What has checksums of the rest comes last.
func (r *release) make(targets []target) ([]file, error) {
	p, err := r.parts()
	if err != nil {
		return nil, err
	}
	var made []file
	var plugins []plugin
	for _, t := range targets {
		if p.program, err = r.compile(source[whohas], t); err != nil {
			return nil, err
		}
		archive, err := r.archive(p, t)
		if err != nil {
			return nil, err
		}
		plugins = append(plugins, plugin{t.os, t.arch, archive.path, archive.sum(), whohas + t.exe()})
		bill, err := r.bill(whohas, p.program, t)
		if err != nil {
			return nil, err
		}
		made = append(made, archive, bill)
		if t.os != "linux" {
			continue
		}
		more, err := r.forLinux(p, t)
		if err != nil {
			return nil, err
		}
		made = append(made, more...)
	}
	chart, err := r.chart()
	if err != nil {
		return nil, err
	}
	manifest, err := r.manifest(plugins)
	if err != nil {
		return nil, err
	}
	made = append(made, chart, manifest)
	provenance, err := r.provenance(made, targets)
	if err != nil {
		return nil, err
	}
	made = append(made, provenance)
	return append(made, sums(made)), nil
}

// parts reads what is the same on all platforms.
func (r *release) parts() (parts, error) {
	var p parts
	var err error
	if p.manual, err = r.manual(); err != nil {
		return p, err
	}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		text, err := os.ReadFile(filepath.Join(r.root, name))
		if err != nil {
			return p, err
		}
		p.documents = append(p.documents, file{name, 0o644, text})
	}
	p.examples, err = read(filepath.Join(r.root, "examples"))
	return p, err
}

// forLinux is what only Linux has: packages, and the program that clusters run.
func (r *release) forLinux(p parts, t target) ([]file, error) {
	packages, err := r.packages(p, t)
	if err != nil {
		return nil, err
	}
	program, err := r.compile(source[guard], t)
	if err != nil {
		return nil, err
	}
	bill, err := r.bill(guard, program, t)
	return append(packages, bill), err
}
