// SPDX-License-Identifier: Apache-2.0

// Package config reads .whohas.yaml: what a user says of a cluster that it does not say
// itself, and which findings are expected.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"whohas/claim"
	"whohas/dataplane"
	"whohas/internal/console"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/file"
)

// Name is what the file is called in the working folder.
const Name = ".whohas.yaml"

// Config is what the file says. The zero value says nothing.
type Config struct {
	File         string // where it was read from
	Mode         dataplane.ProxyMode
	Reserved     []claim.Claim            // addresses that are kept for something, as claims like any other
	Severities   map[string]rule.Severity // by the rule's ID or name
	Suppressions []rule.Suppression
}

// form is the file's own form. Nodes keep their lines for messages.
type form struct {
	ProxyMode  yaml.Node            `yaml:"proxyMode"`
	Reserved   []reservedEntry      `yaml:"reserved"`
	Severities map[string]yaml.Node `yaml:"severities"`
	Allow      []allowEntry         `yaml:"allow"`
}

// entries gives the entries of the lists their lines, for those that lack the
// field which would have one.
func (f *form) entries(data []byte) {
	var lists struct{ Reserved, Allow []yaml.Node }
	if yaml.Unmarshal(data, &lists) != nil || len(lists.Reserved) != len(f.Reserved) || len(lists.Allow) != len(f.Allow) {
		return
	}
	for i, n := range lists.Reserved {
		f.Reserved[i].Range.Line = cmp.Or(f.Reserved[i].Range.Line, n.Line)
	}
	for i, n := range lists.Allow {
		f.Allow[i].Rule.Line = cmp.Or(f.Allow[i].Rule.Line, n.Line)
	}
}

type reservedEntry struct {
	Range yaml.Node `yaml:"range"` // an address, a CIDR or a-b
	For   string    `yaml:"for"`   // gateway, dns, ntp, storage, or any word
}

type allowEntry struct {
	Rule    yaml.Node `yaml:"rule"`
	Address yaml.Node `yaml:"address"`
	Reason  string    `yaml:"reason"`
	Until   string    `yaml:"until"`
}

// Load reads the configuration; the default file may be absent.
func Load(path string) (*Config, error) {
	named := path != ""
	if !named {
		path = Name
	}
	data, err := file.Read(path, file.Small)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return &Config{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return parse(path, data)
}

func parse(path string, data []byte) (*Config, error) {
	var f form
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, console.WithHint(faultOf(path, err), "fields are proxyMode, reserved, severities and allow")
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:%d: only one document can stand in it", path, max(more.Line, 1))
	}
	f.entries(data)
	c := &Config{File: path, Severities: map[string]rule.Severity{}}
	for _, part := range []func(*form) error{c.setMode, c.setReserved, c.setSeverities, c.setAllows} {
		if err := part(&f); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// The decoder's own words name Go's types and put the line in the middle.
var (
	faultLine  = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)
	faultWords = []struct {
		from *regexp.Regexp
		to   string
	}{
		{regexp.MustCompile(`^field (\S+) not found in type \S+$`), `no such field: $1`},
		{regexp.MustCompile(`(?s)^cannot unmarshal .* into \[\]\S+$`), "want a list"},
		{regexp.MustCompile(`(?s)^cannot unmarshal .* into string$`), "want a text"},
		{regexp.MustCompile(`(?s)^cannot unmarshal .* into \S+$`), "want a map"},
	}
)

// faultOf gives each of a decoder's messages its place.
func faultOf(path string, err error) error {
	faults := []string{err.Error()}
	var types *yaml.TypeError
	if errors.As(err, &types) {
		faults = types.Errors
	}
	for i, text := range faults {
		place := path
		if m := faultLine.FindStringSubmatch(text); m != nil {
			place, text = path+":"+m[1], text[len(m[0]):]
		}
		for _, w := range faultWords {
			text = w.from.ReplaceAllString(text, w.to)
		}
		faults[i] = place + ": " + strings.TrimPrefix(text, "yaml: ")
	}
	return errors.New(strings.Join(faults, "; "))
}

func (c *Config) at(n yaml.Node, field string, err error) error {
	if n.Line == 0 {
		return fmt.Errorf("%s: %s: %w", c.File, field, err)
	}
	return fmt.Errorf("%s:%d: %s: %w", c.File, n.Line, field, err)
}

func (c *Config) setMode(f *form) error {
	if f.ProxyMode.IsZero() || f.ProxyMode.Tag == "!!null" {
		return nil
	}
	mode, err := dataplane.ParseProxyMode(f.ProxyMode.Value)
	if err != nil {
		return c.at(f.ProxyMode, "proxyMode", err)
	}
	c.Mode = mode
	return nil
}

func (c *Config) setReserved(f *form) error {
	for i, r := range f.Reserved {
		rg, err := claim.ParseRange(r.Range.Value)
		if r.Range.Value == "" {
			err = errors.New("no address, CIDR or FROM-TO")
		}
		if err != nil {
			return c.at(r.Range, fmt.Sprintf("reserved[%d].range", i), err)
		}
		what := r.For
		if what == "" {
			what = "reserved"
		}
		c.Reserved = append(c.Reserved, claim.Claim{
			Range: rg, Text: r.Range.Value, Kind: claim.Kind("declared." + what), Role: claim.Reserved,
			By:     snapshot.Ref{Kind: "Reserved", Name: what},
			Owner:  snapshot.Ref{Kind: "Reserved", Name: what},
			Origin: snapshot.Origin{File: c.File, Line: r.Range.Line, Field: fmt.Sprintf("reserved[%d].range", i)},
		})
	}
	return nil
}

func (c *Config) setSeverities(f *form) error {
	for id, n := range f.Severities {
		if rules.Find(id) == nil {
			return c.at(n, "severities."+id, fmt.Errorf("no such rule"))
		}
		s, err := rule.ParseSeverity(n.Value)
		if err != nil {
			return c.at(n, "severities."+id, err)
		}
		c.Severities[id] = s
	}
	return nil
}

func (c *Config) setAllows(f *form) error {
	for i, a := range f.Allow {
		field := fmt.Sprintf("allow[%d]", i)
		if a.Rule.Value == "" {
			return c.at(a.Rule, field+".rule", errors.New("names no rule"))
		}
		if rules.Find(a.Rule.Value) == nil {
			return c.at(a.Rule, field+".rule", fmt.Errorf("no such rule: %q", a.Rule.Value))
		}
		if a.Address.Value != "" {
			if _, err := claim.ParseRange(a.Address.Value); err != nil {
				return c.at(a.Address, field+".address", err)
			}
		}
		c.Suppressions = append(c.Suppressions, rule.Suppression{
			Rule: a.Rule.Value, Place: a.Address.Value, Reason: a.Reason, Until: a.Until,
			Origin: snapshot.Origin{File: c.File, Line: a.Rule.Line, Field: field},
		})
	}
	return nil
}
