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
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// Scenario is one scenario, as read.
type Scenario struct {
	Name     string
	Title    string   // the header's first paragraph
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
	p := parser{fsys: fsys, file: file, lines: lineStarts(data), seen: map[string]bool{}}
	s := &Scenario{
		Name: strings.TrimSuffix(path.Base(file), ".txtar"), Limit: defaultLimit,
		Backends: []Backend{UML}, Files: map[string]string{},
	}
	if line := emptyMarker(data); line > 0 {
		p.fail(line, "a section without a name: want -- NAME --")
		return nil, p.err
	}
	archive := txtar.Parse(data)
	p.header(s, string(archive.Comment))
	for _, f := range archive.Files {
		p.section(s, f.Name, string(f.Data))
	}
	if p.err == nil {
		p.check(s)
	}
	if p.err != nil {
		return nil, p.err
	}
	return s, nil
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

// Runs reports whether the scenario runs on a back end.
func (s *Scenario) Runs(b Backend) bool { return slices.Contains(s.Backends, b) }

// KernelOnly reports whether the scenario starts no component of Kubernetes.
func (s *Scenario) KernelOnly() bool { return s.Cluster.ControlPlane == "" }

// AsksWhohas reports whether a step runs the program that all this is about.
func (s *Scenario) AsksWhohas() bool {
	return slices.ContainsFunc(s.Steps, func(step Step) bool {
		return step.Query.What == "diagnose" || slices.ContainsFunc(step.Args, func(a string) bool { return strings.Contains(a, "whohas ") })
	})
}

// parser keeps the first error only: what follows it is often its consequence.
type parser struct {
	fsys  fs.FS
	file  string
	lines map[string]int // the line below each section's marker
	seen  map[string]bool
	err   error
}

func (p *parser) fail(line int, format string, args ...any) {
	if p.err == nil {
		p.err = &InputError{File: p.file, Line: line, Text: fmt.Sprintf(format, args...)}
	}
}

// lineStarts finds where the sections of an archive begin, which txtar forgets;
// it knows a marker as txtar does (go-internal/txtar/archive.go, isMarker).
func lineStarts(data []byte) map[string]int {
	starts := map[string]int{}
	for i, line := range bytes.Split(data, []byte("\n")) {
		name, ok := strings.CutPrefix(strings.TrimSuffix(string(line), "\r"), "-- ")
		if name, end := strings.CutSuffix(name, " --"); ok && end {
			if name = strings.TrimSpace(name); starts[name] == 0 {
				starts[name] = i + 2
			}
		}
	}
	return starts
}

// emptyMarker finds a line at which txtar panics (go-internal v1.14.1,
// txtar/archive.go, isMarker: its two halves overlap).
func emptyMarker(data []byte) int {
	for i, line := range bytes.Split(data, []byte("\n")) {
		if string(bytes.TrimSuffix(line, []byte("\r"))) == "-- --" {
			return i + 1
		}
	}
	return 0
}

func (p *parser) header(s *Scenario, text string) {
	titled := false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		prose, comment := strings.CutPrefix(line, "#")
		prose = strings.TrimSpace(prose)
		if s.Title != "" && (!comment || prose == "") {
			titled = true
		}
		if comment {
			if !titled {
				s.Title = strings.TrimSpace(s.Title + " " + prose)
			}
			continue
		}
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			p.fail(i+1, "want a comment or KEY: VALUE, of report, backends, limit and topology")
			return
		}
		p.headerField(s, i+1, key, strings.TrimSpace(value))
	}
}

// headerKeys are the lines of a header that are no comments.
var headerKeys = map[string]form{
	"report":   {"report: NAME", "a public report that it reproduces: PROJECT#NUMBER, or a name; may stand several times"},
	"backends": {"backends: uml netns", "what it runs on; uml without the line"},
	"limit":    {"limit: TIME", "of the steps; 4m without the line"},
	"topology": {"topology: NAME", "a shared one, NAME.topology beside the scenario"},
}

func (p *parser) headerField(s *Scenario, line int, key, value string) {
	switch key {
	case "report":
		if !ofReport.MatchString(value) {
			p.fail(line, "report %s: want PROJECT#NUMBER, or a name of a-z, 0-9 and -", value)
		}
		s.Reports = append(s.Reports, value)
	case "backends":
		s.Backends = nil
		for _, b := range strings.Fields(value) {
			if b != string(UML) && b != string(Namespaces) {
				p.fail(line, "back end %q: want uml or netns", b)
			}
			s.Backends = append(s.Backends, Backend(b))
		}
		if len(s.Backends) == 0 || len(s.Backends) != len(slices.Compact(slices.Sorted(slices.Values(s.Backends)))) {
			p.fail(line, "backends: want uml, netns, or both")
		}
	case "limit":
		d, err := duration(value)
		if err != nil {
			p.fail(line, "limit: %s: %v", value, err)
		}
		s.Limit = d
	case "topology":
		p.include(s, line, value)
	default:
		p.fail(line, "%s: want report, backends, limit or topology", key)
	}
}

// ofReport is what the name of a public report looks like.
var ofReport = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*(#[0-9]+)?$`)

// include reads a topology that scenarios share.
func (p *parser) include(s *Scenario, line int, name string) {
	if len(s.Topology.Hosts) > 0 {
		p.fail(line, "topology: stands twice")
		return
	}
	file := path.Join(path.Dir(p.file), name+".topology")
	data, err := fs.ReadFile(p.fsys, file)
	if err != nil {
		p.fail(line, "topology %s: %v: want a file %s", name, err, file)
		return
	}
	shared := parser{file: file, lines: map[string]int{"topology": 1}}
	shared.topology(&s.Topology, string(data))
	p.err = cmp.Or(p.err, shared.err)
}

func (p *parser) section(s *Scenario, name, text string) {
	if p.seen[name] {
		p.fail(p.lines[name], "section %s: stands twice", name)
	}
	p.seen[name] = true
	switch name {
	case "topology":
		if len(s.Topology.Hosts) > 0 {
			p.fail(p.lines[name], "a topology in the header and one here: want one of them")
		}
		p.topology(&s.Topology, text)
	case "cluster":
		p.cluster(&s.Cluster, text)
	case "steps":
		p.steps(s, text)
	default:
		s.Files[name] = text
	}
}
