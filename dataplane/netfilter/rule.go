// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Rule is one iptables rule: what must be so of a packet, and what then becomes
// of it.
type Rule struct {
	Matches []Match // all of them must hold
	Target  Target
}

// Match is one condition of a rule.
type Match struct {
	Kind   Kind
	Known  bool   // the condition and its value are understood; if not, nobody may act as if it held or failed
	Not    bool   // it must not hold
	Module string // that was named with -m before it; empty: the rule's own
	Option string // in canonical words: "--dport"; empty: the module alone is the condition
	Values []string

	Prefix   netip.Prefix // of Source and Destination
	Ports    []PortRange  // of SourcePort, DestinationPort and Port
	Mark     uint32       // of Mark
	MarkMask uint32
	Protocol string // of Proto: "TCP", "UDP", "ICMP", ...
}

// Kind says what a match looks at.
type Kind string

// The kinds. Other is everything that has no word here: its option stands in the
// match. A match of it that is known asks nothing ("-m tcp" without an option).
const (
	Other           Kind = ""
	Source          Kind = "source"
	Destination     Kind = "destination"
	Proto           Kind = "proto"
	In              Kind = "in"
	Out             Kind = "out"
	Fragment        Kind = "fragment"
	SourcePort      Kind = "source-port"
	DestinationPort Kind = "destination-port"
	Port            Kind = "port" // source or destination
	SourceType      Kind = "source-type"
	DestinationType Kind = "destination-type"
	SetMember       Kind = "set" // Values: the set, and "src,dst"
	Comment         Kind = "comment"
	Mark            Kind = "mark"
	ConnMark        Kind = "connmark"
	State           Kind = "state" // of connection tracking
	PhysIn          Kind = "physdev-in"
	PhysOut         Kind = "physdev-out"
	PhysIsIn        Kind = "physdev-is-in"
	PhysIsOut       Kind = "physdev-is-out"
	PhysIsBridged   Kind = "physdev-is-bridged"
	TCPFlags        Kind = "tcp-flags" // Values: the mask, and those set
	ICMPType        Kind = "icmp-type"
)

// PortRange is a range of ports, both ends included.
type PortRange struct{ First, Last uint16 }

// Target is what becomes of a packet that a rule matches. The zero value: the
// rule counts, and the next one is asked.
type Target struct {
	Name    string // "DNAT", "ACCEPT", or a chain of the table
	Goto    bool   // the chain is gone to, without return
	Options []Option
}

// Option is an option of a target: {"--to-destination", ["10.0.0.1:80"]}.
type Option struct {
	Name   string
	Values []string
}

// Match is the first match of a kind.
func (r Rule) Match(k Kind) (Match, bool) {
	i := slices.IndexFunc(r.Matches, func(m Match) bool { return m.Kind == k })
	if i < 0 {
		return Match{}, false
	}
	return r.Matches[i], true
}

// Unknown are the matches that are not understood.
func (r Rule) Unknown() []Match {
	var out []Match
	for _, m := range r.Matches {
		if !m.Known {
			out = append(out, m)
		}
	}
	return out
}

// Value is an option's first value: Target.Value("--to-destination").
func (t Target) Value(name string) string {
	for _, o := range t.Options {
		if o.Name == name && len(o.Values) > 0 {
			return o.Values[0]
		}
	}
	return ""
}

// form is how an option is written, and what it is.
type form struct {
	kind   Kind
	name   string
	values int
}

// forms are the options of which the number of values is known: a value may look
// like an option, a comment "-j" is saved without quotes (iptables xtables.c
// xtables_save_string, v1.8.9).
var forms = map[string]form{
	"-s": {Source, "-s", 1}, "--source": {Source, "-s", 1}, "--src": {Source, "-s", 1},
	"-d": {Destination, "-d", 1}, "--destination": {Destination, "-d", 1}, "--dst": {Destination, "-d", 1},
	"-p": {Proto, "-p", 1}, "--protocol": {Proto, "-p", 1}, "--proto": {Proto, "-p", 1},
	"-i": {In, "-i", 1}, "--in-interface": {In, "-i", 1},
	"-o": {Out, "-o", 1}, "--out-interface": {Out, "-o", 1},
	"-f": {Fragment, "-f", 0}, "--fragment": {Fragment, "-f", 0},
	"--sport": {SourcePort, "--sport", 1}, "--source-port": {SourcePort, "--sport", 1},
	"--dport": {DestinationPort, "--dport", 1}, "--destination-port": {DestinationPort, "--dport", 1},
	"--sports": {SourcePort, "--sports", 1}, "--source-ports": {SourcePort, "--sports", 1},
	"--dports": {DestinationPort, "--dports", 1}, "--destination-ports": {DestinationPort, "--dports", 1},
	"--ports":    {Port, "--ports", 1},
	"--src-type": {SourceType, "--src-type", 1}, "--dst-type": {DestinationType, "--dst-type", 1},
	"--match-set": {SetMember, "--match-set", 2},
	"--comment":   {Comment, "--comment", 1},
	"--mark":      {Mark, "--mark", 1},
	"--ctstate":   {State, "--ctstate", 1}, "--state": {State, "--state", 1},
	"--physdev-in": {PhysIn, "--physdev-in", 1}, "--physdev-out": {PhysOut, "--physdev-out", 1},
	"--physdev-is-in": {PhysIsIn, "--physdev-is-in", 0}, "--physdev-is-out": {PhysIsOut, "--physdev-is-out", 0},
	"--physdev-is-bridged": {PhysIsBridged, "--physdev-is-bridged", 0},
	"--tcp-flags":          {TCPFlags, "--tcp-flags", 2},
	"--icmp-type":          {ICMPType, "--icmp-type", 1}, "--icmpv6-type": {ICMPType, "--icmpv6-type", 1},
	"--log-prefix": {Other, "--log-prefix", 1}, "--nflog-prefix": {Other, "--nflog-prefix", 1}, // free text
	"--string": {Other, "--string", 1}, "--hex-string": {Other, "--hex-string", 1},
}

// silent are the modules that ask nothing by themselves: "-p tcp -m tcp".
var silent = []string{"tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmp6", "icmpv6", "comment"}

// ParseRule reads a rule as iptables-save writes it, without "-A CHAIN". A match
// that has no word here is kept, and marked as not known; only a text that is no
// rule is an error.
func ParseRule(text string) (Rule, error) {
	list, err := words(text)
	if err != nil {
		return Rule{}, fmt.Errorf("read rule: %w", err)
	}
	p := &ruleParser{words: list}
	for len(p.words) > 0 && err == nil {
		err = p.step()
	}
	p.endModule()
	switch {
	case err != nil:
	case p.not:
		err = errors.New("! negates nothing")
	}
	if err != nil {
		return p.rule, fmt.Errorf("read rule: %w", err)
	}
	return p.rule, nil
}

type ruleParser struct {
	words  []word
	rule   Rule
	module string
	asked  bool // the module has got an option
	at     int  // the matches before the module
	not    bool
}

func (p *ruleParser) take() string {
	w := p.words[0]
	p.words = p.words[1:]
	return w.text
}

func (p *ruleParser) step() error {
	first := p.words[0]
	if !first.option() {
		return fmt.Errorf("%q is no option", shorten(first.text))
	}
	name := p.take()
	if name == "!" {
		if p.not {
			return errors.New("! twice")
		}
		p.not = true
		return nil
	}
	switch name {
	case "-m", "--match", "-j", "--jump", "-g", "--goto":
		if len(p.words) == 0 || p.not {
			return fmt.Errorf("%s: no name", name)
		}
		return p.named(name, p.take())
	}
	values, err := p.values(name)
	if err != nil {
		return err
	}
	if p.rule.Target.Name != "" && !own(name) {
		return p.targetOption(name, values)
	}
	p.rule.Matches = append(p.rule.Matches, p.match(name, values))
	p.not = false
	return nil
}

// own tells an option of the rule itself, which may also stand after the target.
func own(name string) bool { return len(forms[name].name) == 2 }

func (p *ruleParser) named(verb, name string) error {
	switch {
	case p.rule.Target.Name != "":
		return fmt.Errorf("%s %s stands after the target", verb, shorten(name))
	case name == "":
		return fmt.Errorf("%s: no name", verb)
	}
	p.endModule()
	if verb == "-m" || verb == "--match" {
		p.module, p.asked, p.at = name, false, len(p.rule.Matches)
		return nil
	}
	p.module = ""
	p.rule.Target = Target{Name: name, Goto: verb == "-g" || verb == "--goto"}
	return nil
}

// endModule keeps a module that was named without any option. It may ask something
// by itself, as "-m socket" does.
func (p *ruleParser) endModule() {
	if p.module != "" && !p.asked {
		p.rule.Matches = slices.Insert(p.rule.Matches, p.at, Match{Module: p.module, Known: slices.Contains(silent, p.module)})
	}
	p.asked = true
}

// values takes an option's values: as many as are known to belong to it, or all
// words up to the next option. The sign before the value ("-s ! 10.0.0.1") is how
// iptables wrote negation before 1.4.3.
func (p *ruleParser) values(name string) ([]string, error) {
	if len(p.words) > 0 && p.words[0] == (word{"!", false}) && forms[name].values > 0 {
		p.take()
		if p.not {
			return nil, errors.New("! twice")
		}
		p.not = true
	}
	var out []string
	if f, ok := forms[name]; ok {
		if len(p.words) < f.values {
			return nil, fmt.Errorf("%s: no value", name)
		}
		for range f.values {
			out = append(out, p.take())
		}
		return out, nil
	}
	for len(p.words) > 0 && !p.words[0].option() {
		out = append(out, p.take())
	}
	return out, nil
}

func (p *ruleParser) targetOption(name string, values []string) error {
	if p.not {
		return fmt.Errorf("! before %s of the target", name)
	}
	p.rule.Target.Options = append(p.rule.Target.Options, Option{Name: name, Values: values})
	return nil
}

func (p *ruleParser) match(name string, values []string) Match {
	m := Match{Kind: forms[name].kind, Option: name, Values: values, Not: p.not}
	if f, ok := forms[name]; ok {
		m.Option = f.name
	}
	if !own(name) {
		m.Module, p.asked = p.module, true
	}
	if m.Kind == Mark && m.Module == "connmark" {
		m.Kind = ConnMark
	}
	m.Known = m.Kind != Other && m.understand()
	return m
}

// String writes the rule in iptables-save's words; ParseRule reads it back.
func (r Rule) String() string {
	var out []string
	module := ""
	for _, m := range r.Matches {
		if m.Module != "" && (m.Module != module || m.Option == "") {
			out = append(out, "-m", quote(m.Module))
			module = m.Module
		}
		if m.Option == "" {
			module = ""
			continue
		}
		if m.Not {
			out = append(out, "!")
		}
		out = append(out, m.Option)
		out = append(out, quoted(m.Values)...)
	}
	if r.Target.Name != "" {
		verb := "-j"
		if r.Target.Goto {
			verb = "-g"
		}
		out = append(out, verb, quote(r.Target.Name))
	}
	for _, o := range r.Target.Options {
		out = append(append(out, o.Name), quoted(o.Values)...)
	}
	return strings.Join(out, " ")
}

func quoted(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = quote(v)
	}
	return out
}
