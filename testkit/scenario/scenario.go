// SPDX-License-Identifier: Apache-2.0

// Package scenario reads scenarios: one txtar file each, with a header that
// names where it comes from, the manifests, and what must be found.
//
//	# k8s-104679: https://github.com/kubernetes/kubernetes/issues/104679
//	# addresses from the report; the names are chosen
//	-- scenario --
//	mode: ipvs
//	-- nodes.yaml --
//	...
//	-- want --
//	WH101 critical 10.128.149.177 | Node worker1, Service default/web
//	-- want iptables --
//	WH101 warning 10.128.149.177 | Node worker1, Service default/web
//
// Section want lists every finding, the worst first; "want MODE" what is found
// when that proxy mode is set instead. An empty section means: quiet. Section
// hosts/NAME.json holds what a host's kernel held, as the JSON of dataplane.Host.
// Sections before/NAME hold what exists already: the others are then a change, of which
// only what it makes worse is found.
// Section scenario may hold, a line each: mode, complete (true), now (a date),
// reserved (ADDRESS WHAT).
package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"whohas/check"
	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/rule"
	"whohas/snapshot"
	"whohas/source/document"
)

// Scenario is one file. It is a value that Check does not change.
type Scenario struct {
	Name     string
	Header   string
	Mode     dataplane.ProxyMode // "" : as the manifests say
	Complete bool
	Now      time.Time
	Reserved []claim.Claim
	Snapshot *snapshot.Snapshot
	Base     *snapshot.Snapshot               // nil: Snapshot is all there is
	Want     map[dataplane.ProxyMode][]string // "" : with Mode

	Manifests []Manifest // as they are written, in their order
}

// Manifest is one file of a scenario.
type Manifest struct{ Name, Text string }

// Load reads a scenario.
func Load(file string) (*Scenario, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, data)
}

// Parse reads a scenario from its text.
func Parse(name string, data []byte) (*Scenario, error) {
	ar := txtar.Parse(data)
	s := &Scenario{Name: name, Header: string(ar.Comment), Want: map[dataplane.ProxyMode][]string{}, Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	var manifests []txtar.File
	for _, f := range ar.Files {
		switch {
		case f.Name == "scenario":
			if err := s.settings(string(f.Data)); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		case f.Name == "want":
			s.Want[""] = lines(string(f.Data))
		case strings.HasPrefix(f.Name, "want "):
			s.Want[dataplane.ProxyMode(strings.TrimPrefix(f.Name, "want "))] = lines(string(f.Data))
		default:
			manifests = append(manifests, f)
			s.Manifests = append(s.Manifests, Manifest{f.Name, string(f.Data)})
		}
	}
	return s, s.read(manifests)
}

func (s *Scenario) settings(text string) error {
	for _, line := range lines(text) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "mode":
			s.Mode = dataplane.ProxyMode(value)
		case "complete":
			s.Complete = value == "true"
		case "now":
			t, err := time.Parse(time.DateOnly, value)
			if err != nil {
				return err
			}
			s.Now = t
		case "reserved":
			if err := s.reserve(value); err != nil {
				return err
			}
		default:
			return fmt.Errorf("scenario: unknown key %q", key)
		}
	}
	return nil
}

func (s *Scenario) reserve(value string) error {
	place, what, _ := strings.Cut(value, " ")
	r, err := claim.ParseRange(place)
	if err != nil {
		return err
	}
	ref := snapshot.Ref{Kind: "Reserved", Name: what}
	s.Reserved = append(s.Reserved, claim.Claim{Range: r, Text: place, Kind: claim.Kind("declared." + what), Role: claim.Reserved, By: ref, Owner: ref})
	return nil
}

func (s *Scenario) read(manifests []txtar.File) error {
	inBase := func(f txtar.File) bool { return strings.HasPrefix(f.Name, "before/") }
	if slices.ContainsFunc(manifests, inBase) {
		var base []txtar.File
		for _, f := range manifests {
			if inBase(f) {
				base = append(base, f)
			}
		}
		manifests = slices.DeleteFunc(manifests, inBase)
		var err error
		if s.Base, err = s.snapshotOf(base); err != nil {
			return err
		}
	}
	var err error
	s.Snapshot, err = s.snapshotOf(manifests)
	return err
}

func (s *Scenario) snapshotOf(manifests []txtar.File) (*snapshot.Snapshot, error) {
	keep, err := Reads()
	if err != nil {
		return nil, err
	}
	into := &snapshot.Builder{}
	for _, f := range manifests {
		if isHost(f.Name) {
			if err := readHost(f, into); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", s.Name, f.Name, err)
			}
			continue
		}
		r, err := document.Reading{Reads: keep, Into: into, File: f.Name}.Decode(context.Background(), bytes.NewReader(f.Data))
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", s.Name, f.Name, err)
		}
		r.Cover(into, s.Complete)
	}
	return into.Snapshot(), nil
}

func isHost(name string) bool { return path.Dir(name) == "hosts" && path.Ext(name) == ".json" }

// readHost reads a host; a member that does not exist is a slip of the pen.
func readHost(f txtar.File, into *snapshot.Builder) error {
	var h dataplane.Host
	d := json.NewDecoder(bytes.NewReader(f.Data))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return err
	}
	if want := strings.TrimSuffix(path.Base(f.Name), ".json"); h.Name != want {
		return fmt.Errorf("host is called %q", h.Name)
	}
	into.AddHost(h)
	return nil
}

// Reads is what the whole program keeps.
func Reads() (snapshot.Reads, error) {
	list := append(claimants.Reads(), cluster.Reads()...)
	return snapshot.NewReads(append(list, snapshot.Read{Fields: rule.KeeperFields()})...)
}

// Check runs rules on the scenario's snapshot.
func (s *Scenario) Check(rules []*rule.Rule) check.Result {
	return s.CheckAs(s.Snapshot, s.Mode, rules)
}

// CheckAs runs rules on another snapshot or in another mode: what a fix left, or
// the same cluster under another proxy.
func (s *Scenario) CheckAs(snap *snapshot.Snapshot, mode dataplane.ProxyMode, rules []*rule.Rule) check.Result {
	if s.Base != nil {
		c := check.Compare(s.Base, snap, check.Terms{Mode: mode, ModeFrom: "scenario", Declared: s.Reserved, Rules: rules})
		return check.Finish(c.After, c.Worse, check.SuppressionsOver(s.Base, snap), s.Now)
	}
	in := check.Input{View: claimants.View(snap, s.Reserved...), Facts: cluster.Infer(snap, mode, "scenario"), Objects: snap, Coverage: snap.Coverage, Rules: rules}
	return check.Finish(in, check.Run(in), check.ObjectSuppressions(snap), s.Now)
}

// Summary is a finding as a scenario writes it.
func Summary(f *rule.Finding) string {
	var who []string
	for _, c := range f.Claimants {
		if c.Part != rule.Witness && !slices.Contains(who, c.By.String()) {
			who = append(who, c.By.String())
		}
	}
	slices.Sort(who)
	place := f.Place()
	if place == "" {
		place = "-"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s | %s", f.Rule.ID, f.Severity, place, strings.Join(who, ", ")))
}

// Summaries lists findings as a scenario writes them.
func Summaries(findings []rule.Finding) []string {
	var out []string
	for i := range findings {
		out = append(out, Summary(&findings[i]))
	}
	return out
}

func lines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}
