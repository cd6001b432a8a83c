// SPDX-License-Identifier: Apache-2.0

// Package lab holds the lab's scenarios as values: what hosts there are, what
// runs on them, what is done to them, and what must be seen. It reads them,
// and compares a run with what is on record; running them is the work of the
// packages below it.
//
// A scenario is one txtar file: a header that says what it shows and which
// public report it comes from, a topology, the components of a cluster, objects,
// and steps. docs/lab.md tells how to write one.
package lab

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// Scenario is one scenario, as read.
type Scenario struct {
	Name     string
	Title    string   // the header's first line
	Reports  []string // the public reports it reproduces
	Backends []Backend
	Limit    time.Duration // of the whole scenario, on its clock
	Topology Topology
	Cluster  Cluster
	Files    map[string]string // objects and whatever else the steps name
	Steps    []Step
}

// Backend is a kernel that scenarios run on.
type Backend string

// The back ends.
const (
	UML        Backend = "uml"   // User Mode Linux: has IPVS, dummy, ipip; no nftables
	Namespaces Backend = "netns" // this machine's kernel: has what it has
)

// defaultLimit bounds a scenario that sets no limit.
const defaultLimit = 4 * time.Minute

// InputError is what is wrong with a scenario, and where.
type InputError struct {
	File string
	Line int
	Text string
}

func (e *InputError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// Read reads the scenario of one file; shared topologies stand beside it.
func Read(fsys fs.FS, file string) (*Scenario, error) {
	data, err := fs.ReadFile(fsys, file)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	p := parser{fsys: fsys, file: file, lines: lineStarts(data)}
	s := &Scenario{
		Name: strings.TrimSuffix(path.Base(file), ".txtar"), Limit: defaultLimit,
		Backends: []Backend{UML}, Files: map[string]string{},
	}
	archive := txtar.Parse(data)
	p.header(s, string(archive.Comment))
	for _, f := range archive.Files {
		p.section(s, f.Name, string(f.Data))
	}
	if p.err == nil {
		p.check(s)
	}
	return s, p.err
}

// ReadAll reads every scenario of a folder, sorted by name.
func ReadAll(fsys fs.FS) ([]*Scenario, error) {
	files, err := fs.Glob(fsys, "*.txtar")
	if err != nil {
		return nil, fmt.Errorf("list scenarios: %w", err)
	}
	var all []*Scenario
	for _, f := range files {
		s, err := Read(fsys, f)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *Scenario) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Runs tells whether the scenario runs on a back end.
func (s *Scenario) Runs(b Backend) bool { return slices.Contains(s.Backends, b) }

// KernelOnly tells whether the scenario starts no component of Kubernetes.
func (s *Scenario) KernelOnly() bool { return s.Cluster.ControlPlane == "" }

// parser keeps the first error only: what follows it is often its consequence.
type parser struct {
	fsys  fs.FS
	file  string
	lines map[string]int // the line below each section's marker
	err   error
}

func (p *parser) fail(line int, format string, args ...any) {
	if p.err == nil {
		p.err = &InputError{File: p.file, Line: line, Text: fmt.Sprintf(format, args...)}
	}
}

// lineStarts finds where the sections of an archive begin, which txtar forgets.
func lineStarts(data []byte) map[string]int {
	starts := map[string]int{"": 1}
	for i, line := range bytes.Split(data, []byte("\n")) {
		text := strings.TrimSpace(string(line))
		if name, ok := strings.CutPrefix(text, "-- "); ok && strings.HasSuffix(name, " --") {
			starts[strings.TrimSpace(strings.TrimSuffix(name, " --"))] = i + 2
		}
	}
	return starts
}

func (p *parser) header(s *Scenario, text string) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if prose, ok := strings.CutPrefix(line, "#"); ok {
			if s.Title == "" {
				s.Title = strings.TrimSpace(prose)
			}
			continue
		}
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			p.fail(i+1, "want a comment or KEY: VALUE")
			return
		}
		p.headerField(s, i+1, key, strings.TrimSpace(value))
	}
}

func (p *parser) headerField(s *Scenario, line int, key, value string) {
	switch key {
	case "report":
		s.Reports = append(s.Reports, value)
	case "backends":
		s.Backends = nil
		for _, b := range strings.Fields(value) {
			if b != string(UML) && b != string(Namespaces) {
				p.fail(line, "back end %q: want uml or netns", b)
			}
			s.Backends = append(s.Backends, Backend(b))
		}
	case "limit":
		d, err := time.ParseDuration(value)
		if err != nil {
			p.fail(line, "limit: %v", err)
		}
		s.Limit = d
	case "topology":
		p.include(s, line, value)
	default:
		p.fail(line, "%s: want report, backends, limit or topology", key)
	}
}

// include reads a topology that scenarios share.
func (p *parser) include(s *Scenario, line int, name string) {
	data, err := fs.ReadFile(p.fsys, path.Join(path.Dir(p.file), name+".topology"))
	if err != nil {
		p.fail(line, "topology %s: %v", name, err)
		return
	}
	shared := parser{file: name + ".topology", lines: map[string]int{"topology": 1}}
	shared.topology(&s.Topology, string(data))
	if shared.err != nil {
		p.err = cmp.Or(p.err, shared.err)
	}
}

func (p *parser) section(s *Scenario, name, text string) {
	switch name {
	case "topology":
		p.topology(&s.Topology, text)
	case "cluster":
		p.cluster(&s.Cluster, text)
	case "steps":
		p.steps(s, text)
	default:
		if _, twice := s.Files[name]; twice {
			p.fail(p.lines[name], "section %s: stands twice", name)
		}
		s.Files[name] = text
	}
}

// check finds what is wrong with the whole.
func (p *parser) check(s *Scenario) {
	switch {
	case s.Title == "":
		p.fail(1, "the header says nothing: begin with a comment")
	case len(s.Topology.Hosts) == 0:
		p.fail(1, "no hosts: a section topology, or topology: NAME in the header")
	case len(s.Steps) == 0:
		p.fail(1, "no steps")
	}
	for _, step := range s.Steps {
		p.checkStep(s, step)
	}
	p.checkCluster(s)
}
