// SPDX-License-Identifier: Apache-2.0

// Package netfilter reads what iptables-save and nft print into values, and tells
// which addresses the rules take: what DNAT and REDIRECT answer for.
package netfilter

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"whohas/dataplane"
)

// maxLine is the longest line that is read: a rule has a few hundred bytes.
const maxLine = 1 << 20

// SaveError is what ParseSave could not read: the first line of it.
type SaveError struct {
	Line int
	More int // lines beside it
	Err  error
}

func (e *SaveError) Error() string {
	text := fmt.Sprintf("read rules: line %d: %v", e.Line, e.Err)
	if e.More > 0 {
		text += fmt.Sprintf(" (and %d more)", e.More)
	}
	return text
}

// Unwrap is the cause.
func (e *SaveError) Unwrap() error { return e.Err }

// ParseSave reads the text of iptables-save or ip6tables-save, of the back end
// ("legacy", "nft") and family ("ip", "ip6") that the caller names. Tables, chains
// and rules keep their order. A rule is kept as it stands, without "-A CHAIN" and
// without counters. What cannot be read is an error (a *SaveError); everything else
// is returned beside it.
func ParseSave(r io.Reader, backend, family string) ([]dataplane.Table, error) {
	p := &saveParser{backend: backend, family: family}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n := 0
	for lines.Scan() {
		n++
		p.fault(n, p.line(strings.TrimSpace(lines.Text())))
	}
	switch {
	case lines.Err() != nil:
		p.fault(n+1, lines.Err())
	case p.open:
		p.fault(n, fmt.Errorf("table %s: no COMMIT: the text ends early", p.table().Name))
	}
	if p.err != nil {
		return p.tables, p.err
	}
	return p.tables, nil
}

type saveParser struct {
	backend, family string
	tables          []dataplane.Table
	chains          map[string]int // of the open table
	open            bool
	err             *SaveError
}

func (p *saveParser) fault(line int, err error) {
	switch {
	case err == nil:
	case p.err == nil:
		p.err = &SaveError{Line: line, Err: err}
	default:
		p.err.More++
	}
}

func (p *saveParser) table() *dataplane.Table { return &p.tables[len(p.tables)-1] }

func (p *saveParser) line(text string) error {
	switch {
	case text == "" || text[0] == '#':
		return nil
	case text[0] == '*':
		return p.begin(text[1:])
	case !p.open:
		return fmt.Errorf("%q stands in no table", shorten(text))
	case text == "COMMIT":
		p.open = false
		return nil
	case text[0] == ':':
		return p.declare(text[1:])
	}
	return p.rule(text)
}

func (p *saveParser) begin(name string) error {
	var err error
	if p.open {
		err = fmt.Errorf("table %s: no COMMIT", p.table().Name)
	}
	if name == "" || strings.ContainsAny(name, " \t") {
		return errors.Join(err, fmt.Errorf("table name %q", shorten(name)))
	}
	p.tables = append(p.tables, dataplane.Table{Backend: p.backend, Family: p.family, Name: name})
	p.chains, p.open = map[string]int{}, true
	return err
}

// declare reads ":KUBE-SERVICES - [0:0]".
func (p *saveParser) declare(text string) error {
	fields := strings.Fields(text)
	if len(fields) < 2 || len(fields) > 3 {
		return fmt.Errorf("chain %q", shorten(text))
	}
	p.chain(fields[0]).Policy = fields[1]
	return nil
}

// chain gives the chain of that name; one that was not declared is made: a user's.
func (p *saveParser) chain(name string) *dataplane.Chain {
	t := p.table()
	i, ok := p.chains[name]
	if !ok {
		i = len(t.Chains)
		t.Chains = append(t.Chains, dataplane.Chain{Name: name})
		p.chains[name] = i
	}
	return &t.Chains[i]
}

func (p *saveParser) rule(text string) error {
	rest := text
	if rest[0] == '[' { // iptables-save -c
		_, after, ok := strings.Cut(rest, "]")
		if !ok {
			return fmt.Errorf("counters of %q", shorten(text))
		}
		rest = strings.TrimSpace(after)
	}
	verb, rest, _ := strings.Cut(rest, " ")
	if verb != "-A" && verb != "--append" {
		return fmt.Errorf("unknown line %q", shorten(text))
	}
	name, rule, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if name == "" {
		return fmt.Errorf("no chain in %q", shorten(text))
	}
	c := p.chain(name)
	c.Rules = append(c.Rules, strings.TrimSpace(rule))
	return nil
}

// shorten keeps an error readable whatever was in the text.
func shorten(text string) string {
	if len(text) > 80 {
		return text[:80] + "..."
	}
	return text
}
