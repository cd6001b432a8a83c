// SPDX-License-Identifier: Apache-2.0

package cli

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
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/file"
)

const configName = ".whohas.yaml"

// config is what .whohas.yaml says.
type config struct {
	file       string
	mode       dataplane.ProxyMode
	reserved   []claim.Claim
	severities map[string]rule.Severity
	allows     []rule.Allow
}

// configFile is the file's own form. Nodes keep their lines for messages.
type configFile struct {
	ProxyMode  yaml.Node            `yaml:"proxyMode"`
	Reserved   []reservedEntry      `yaml:"reserved"`
	Severities map[string]yaml.Node `yaml:"severities"`
	Allow      []allowEntry         `yaml:"allow"`
}

// entries gives the entries of the lists their lines, for those that lack the
// field which would have one.
func (f *configFile) entries(data []byte) {
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

// loadConfig reads the configuration; the default file may be absent.
func loadConfig(path string) (*config, error) {
	named := path != ""
	if !named {
		path = configName
	}
	data, err := file.Read(path, file.Small)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return &config{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return parseConfig(path, data)
}

func parseConfig(path string, data []byte) (*config, error) {
	var f configFile
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return nil, withHint(configFault(path, err), "fields are proxyMode, reserved, severities and allow")
	}
	var more yaml.Node
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:%d: only one document can stand in it", path, max(more.Line, 1))
	}
	f.entries(data)
	c := &config{file: path, severities: map[string]rule.Severity{}}
	for _, part := range []func(*configFile) error{c.setMode, c.setReserved, c.setSeverities, c.setAllows} {
		if err := part(&f); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// The decoder's own words name Go's types and put the line in the middle.
var (
	configLine  = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)
	configWords = []struct {
		from *regexp.Regexp
		to   string
	}{
		{regexp.MustCompile(`^field (\S+) not found in type \S+$`), `no such field: $1`},
		{regexp.MustCompile(`(?s)^cannot unmarshal .* into \[\]\S+$`), "want a list"},
		{regexp.MustCompile(`(?s)^cannot unmarshal .* into string$`), "want a text"},
		{regexp.MustCompile(`(?s)^cannot unmarshal .* into \S+$`), "want a map"},
	}
)

// configFault gives each of a decoder's messages its place.
func configFault(path string, err error) error {
	faults := []string{err.Error()}
	var types *yaml.TypeError
	if errors.As(err, &types) {
		faults = types.Errors
	}
	for i, text := range faults {
		place := path
		if m := configLine.FindStringSubmatch(text); m != nil {
			place, text = path+":"+m[1], text[len(m[0]):]
		}
		for _, w := range configWords {
			text = w.from.ReplaceAllString(text, w.to)
		}
		faults[i] = place + ": " + strings.TrimPrefix(text, "yaml: ")
	}
	return errors.New(strings.Join(faults, "; "))
}

func (c *config) at(n yaml.Node, field string, err error) error {
	if n.Line == 0 {
		return fmt.Errorf("%s: %s: %w", c.file, field, err)
	}
	return fmt.Errorf("%s:%d: %s: %w", c.file, n.Line, field, err)
}

func (c *config) setMode(f *configFile) error {
	if f.ProxyMode.IsZero() || f.ProxyMode.Tag == "!!null" {
		return nil
	}
	mode, err := dataplane.ParseProxyMode(f.ProxyMode.Value)
	if err != nil {
		return c.at(f.ProxyMode, "proxyMode", err)
	}
	c.mode = mode
	return nil
}

func (c *config) setReserved(f *configFile) error {
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
		c.reserved = append(c.reserved, claim.Claim{
			Range: rg, Text: r.Range.Value, Kind: claim.Kind("declared." + what), Role: claim.Reserved,
			By:     snapshot.Ref{Kind: "Reserved", Name: what},
			Owner:  snapshot.Ref{Kind: "Reserved", Name: what},
			Origin: snapshot.Origin{File: c.file, Line: r.Range.Line, Field: fmt.Sprintf("reserved[%d].range", i)},
		})
	}
	return nil
}

func (c *config) setSeverities(f *configFile) error {
	for id, n := range f.Severities {
		if findRule(id) == nil {
			return c.at(n, "severities."+id, fmt.Errorf("no such rule"))
		}
		s, err := rule.ParseSeverity(n.Value)
		if err != nil {
			return c.at(n, "severities."+id, err)
		}
		c.severities[id] = s
	}
	return nil
}

func (c *config) setAllows(f *configFile) error {
	for i, a := range f.Allow {
		field := fmt.Sprintf("allow[%d]", i)
		if a.Rule.Value == "" {
			return c.at(a.Rule, field+".rule", errors.New("names no rule"))
		}
		if findRule(a.Rule.Value) == nil {
			return c.at(a.Rule, field+".rule", fmt.Errorf("no such rule: %q", a.Rule.Value))
		}
		if a.Address.Value != "" {
			if _, err := claim.ParseRange(a.Address.Value); err != nil {
				return c.at(a.Address, field+".address", err)
			}
		}
		c.allows = append(c.allows, rule.Allow{
			Rule: a.Rule.Value, Place: a.Address.Value, Reason: a.Reason, Until: a.Until,
			Origin: snapshot.Origin{File: c.file, Line: a.Rule.Line, Field: field},
		})
	}
	return nil
}

// claims are the reserved addresses, as claims like any other.
func (c *config) claims() []claim.Claim { return c.reserved }

// findRule finds a rule by ID or name.
func findRule(name string) *rule.Rule {
	for _, r := range rules.All() {
		if r.ID == name || r.Name == name {
			return r
		}
	}
	return nil
}
