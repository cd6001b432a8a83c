// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"strings"

	"whohas/dataplane"
)

// facts are what one output said.
type facts struct {
	any        bool
	host       string
	kernel     string
	root       bool
	devices    []device
	addresses  []dataplane.Address
	routes     []route
	rules      []rule
	neighbours []dataplane.Neighbour
	servers    []dataplane.VirtualServer
	sets       []dataplane.Set
	saved      []dataplane.Table
	ruleset    []dataplane.Table
	rulesetOf  string // a part of the ruleset that was not understood
	sysctls    map[string]string
	listeners  []dataplane.Listener
	tables     map[string]int // of routes, by name
	names      []string       // of the legacy tables in use
	kinds      bool           // of devices, told
	userspace  userspaceFacts
}

// parse reads an output by its kind.
func (b *output) parse() {
	switch b.command.kind {
	case ofDevices, ofRoutes, ofRules, ofNeigh, ofFDB:
		if b.isJSON() {
			b.parseIPJSON()
			return
		}
	}
	switch b.command.kind {
	case ofDevices:
		b.parseDevices()
	case ofRoutes:
		b.parseRoutes()
	case ofRules:
		b.each(b.parseRule)
	case ofNeigh:
		b.each(b.parseNeighbour)
	case ofFDB:
		b.each(b.parseForward)
	case ofIfconfig:
		b.parseIfconfig()
	case ofIPVS:
		b.parseIPVS()
	case ofSets:
		b.parseSets()
	case ofSave:
		b.parseSave()
	case ofRuleset:
		b.parseRuleset()
	case ofSysctl:
		b.each(b.parseSysctl)
	case ofSockets:
		b.parseSockets()
	case ofNetstat:
		b.each(b.parseNetstat)
	case ofTold:
		b.parseTold()
	case ofAgents:
		b.parseAgents()
	case ofSessions:
		b.parseProtocols()
	case ofCalico:
		b.parseCalico()
	case ofCounters:
		b.parseCounters()
	default:
		b.each(b.parseSmall)
	}
}

// each gives the lines with something in them to a reader that reports whether it
// understood.
func (b *output) each(read func(fields []string) bool) {
	for i, line := range b.lines {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if !read(fields) {
			b.complain(i)
		}
	}
}

// complain takes a line that was not understood. A shell's or a tool's complaint
// is what the output said.
func (b *output) complain(i int) {
	line := strings.TrimSpace(b.lines[i])
	for _, sign := range []string{"command not found", ": not found", "ermission denied", "not permitted", "must be root", "Can't initialize ipvs", "Kernel error received", "are you root"} {
		if strings.Contains(line, sign) {
			b.say(line)
			return
		}
	}
	b.unknown(i)
}

// parseSmall reads the outputs of one word a line.
func (b *output) parseSmall(f []string) bool {
	switch b.command.kind {
	case ofHostname:
		if len(f) != 1 || !isWord(f[0]) || b.facts.host != "" {
			return false
		}
		b.facts.host = hostName(f[0])
	case ofRelease:
		if len(f) != 1 || b.facts.kernel != "" {
			return false
		}
		b.facts.kernel = f[0]
	case ofUname: // Linux cdev02 6.1.176 #1 SMP ...
		if len(f) < 3 || f[0] != "Linux" || !isWord(f[1]) || b.facts.kernel != "" {
			return false
		}
		b.facts.host, b.facts.kernel = hostName(f[1]), f[2]
	case ofUser:
		b.facts.root = f[0] == "0"
	case ofTables:
		return b.parseTableName(f)
	case ofLegacy:
		if len(f) != 1 {
			return false
		}
		b.facts.names = append(b.facts.names, f[0])
	default:
		return false
	}
	return true
}

func (b *output) parseTableName(f []string) bool {
	if strings.HasPrefix(f[0], "#") {
		return true
	}
	n, ok := number(f[0])
	if len(f) < 2 || !ok {
		return false
	}
	if b.facts.tables == nil {
		b.facts.tables = map[string]int{}
	}
	b.facts.tables[f[1]] = n
	return true
}

// isJSON reports whether the output begins like JSON.
func (b *output) isJSON() bool {
	for _, l := range b.lines {
		if l = strings.TrimSpace(l); l != "" {
			return l[0] == '[' || l[0] == '{'
		}
	}
	return false
}

// decode reads the output's JSON values, one after the other; what comes behind
// them is not understood. It gives back on which line that begins.
func (b *output) decode(one func(*json.Decoder) error) {
	text := []byte(strings.Join(b.lines, "\n"))
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	for {
		before := dec.InputOffset()
		if rest := bytes.TrimSpace(text[before:]); len(rest) == 0 || rest[0] != '[' && rest[0] != '{' {
			b.unknownBehind(text, before)
			return
		}
		err := one(dec)
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			b.unknownAt(text, before)
			return
		}
	}
}

// unknownBehind takes every line behind an offset as not understood.
func (b *output) unknownBehind(text []byte, at int64) {
	first := bytes.Count(text[:at], []byte("\n"))
	for i := first; i < len(b.lines); i++ {
		rest := strings.TrimSpace(b.lines[i])
		if i == first {
			begin := bytes.LastIndexByte(text[:at], '\n') + 1
			rest = strings.TrimSpace(b.lines[i][int(at)-begin:])
		}
		if rest != "" {
			b.faults.add(b.line+i, rest)
		}
	}
}

// unknownAt takes a JSON value that cannot be read as one thing not understood.
func (b *output) unknownAt(text []byte, at int64) {
	for at < int64(len(text)) && (text[at] == '\n' || text[at] == ' ') {
		at++
	}
	i := bytes.Count(text[:at], []byte("\n"))
	b.unknown(min(i, len(b.lines)-1))
	b.cut = true
}

// addrOf reads an address; a zone, which some tools add, is no part of it.
func addrOf(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, false
	}
	return a.WithZone("").Unmap(), true
}

// pointOf is the address of a tunnel's end or a next hop: none is written as "any"
// or as the unspecified one.
func pointOf(text string) netip.Addr {
	a, ok := addrOf(text)
	if !ok || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
