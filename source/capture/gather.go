// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"whohas/dataplane"
	"whohas/snapshot"
)

// assemble makes hosts of files that are parts of one, or of several where prompts
// in them say so. fallback is the name of what bears none.
func assemble(pieces []*captureFile, fallback string) ([]dataplane.Host, []snapshot.Coverage, error) {
	names := newNames(pieces, fallback)
	if len(names.all) > maxHosts {
		return nil, nil, errTooMany
	}
	groups := map[string]*hostBuilder{}
	understood := false
	for _, p := range pieces {
		understood = understood || p.understood()
		for _, b := range p.outputs {
			name := names.of(p, b)
			if groups[name] == nil {
				groups[name] = newGathering(name)
			}
			groups[name].outputs = append(groups[name].outputs, b)
		}
	}
	if !understood {
		return nil, nil, errForeign
	}
	var hosts []dataplane.Host
	var coverage []snapshot.Coverage
	for _, name := range sortedKeys(groups) {
		g := groups[name]
		if !slices.ContainsFunc(g.outputs, func(b *output) bool { return b.facts.any || b.source == fromMarker }) {
			continue
		}
		g.run()
		hosts, coverage = append(hosts, g.host), append(coverage, g.coverage...)
	}
	for _, p := range pieces {
		coverage = append(coverage, p.coverage()...)
	}
	return hosts, coverage, nil
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// What a section's coverage names at most, and how many hosts a capture may show.
const (
	maxFaults = 5
	maxHosts  = 1000
)

var errTooMany = fmt.Errorf("more than %d hosts", maxHosts)

// names finds whose an output is.
type names struct {
	all      []string // each host once, by its longest name
	byPiece  map[*captureFile][]string
	fallback string
}

func newNames(pieces []*captureFile, fallback string) *names {
	n := &names{byPiece: map[*captureFile][]string{}, fallback: fallback}
	for _, p := range pieces {
		for _, b := range p.outputs {
			for _, name := range []string{b.host, b.facts.host} {
				if name != "" && len(n.all) <= maxHosts {
					n.all = add1(n.all, name)
					n.byPiece[p] = add1(n.byPiece[p], name)
				}
			}
		}
	}
	return n
}

// add1 adds a name; of cdev02 and cdev02.example, which are one host, the longer
// stays.
func add1(list []string, name string) []string {
	for i, have := range list {
		switch {
		case have == name || strings.HasPrefix(have, name+"."):
			return list
		case strings.HasPrefix(name, have+"."):
			list[i] = name
			return list
		}
	}
	return append(list, name)
}

func (n *names) of(p *captureFile, b *output) string {
	name := cmp.Or(b.host, b.facts.host)
	if here := n.byPiece[p]; name == "" && len(here) == 1 {
		name = here[0]
	} else if name == "" && len(here) == 0 && len(n.all) == 1 {
		name = n.all[0]
	}
	for _, long := range n.all {
		if strings.HasPrefix(long, name+".") && name != "" {
			return long
		}
	}
	return cmp.Or(name, n.fallback)
}

// coverage tells what of a file was not understood.
func (p *captureFile) coverage() []snapshot.Coverage {
	lost := p.loose
	for _, b := range p.outputs {
		if b.faults.count == 0 {
			continue
		}
		lost.count += b.faults.count
		if lost.first == 0 || b.faults.first < lost.first {
			lost.first, lost.text = b.faults.first, b.faults.text
		}
	}
	var out []snapshot.Coverage
	line := func(n, at int, detail string) {
		if n > 0 {
			out = append(out, snapshot.Coverage{Source: p.name, Status: snapshot.StatusPartial, Count: n, Detail: detail, Line: at})
		}
	}
	line(lost.count, lost.first, fmt.Sprintf("%s not understood, the first: %s", lines(lost.count), lost.text))
	line(p.foreign.count, p.foreign.first, fmt.Sprintf("%s of other commands passed over", lines(p.foreign.count)))
	line(p.cuts, 0, fmt.Sprintf("%s where something was left out", places(p.cuts)))
	return out
}

func lines(n int) string { return plural(n, "line") }

func places(n int) string { return plural(n, "place") }

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}

// hostBuilder is a host that is put together.
type hostBuilder struct {
	host     dataplane.Host
	outputs  []*output
	coverage []snapshot.Coverage
	sections map[string]*section
	tables   map[string]int // of routes, by name
	root     bool           // our script ran as root
	devices  []device
}

// section is what is known of how a section was captured.
type section struct {
	parts   map[string]string // that were captured whole, each with what it said
	faults  []string          // why something is not whole
	tainted bool              // whatever was captured whole
	found   bool              // anything of it
	absent  string            // there is nothing to read, and why
	lacks   string            // the tool is not there
	denied  bool
	failed  string
}

func newGathering(name string) *hostBuilder {
	g := &hostBuilder{host: dataplane.Host{Name: name}, sections: map[string]*section{},
		tables: map[string]int{"local": dataplane.TableLocal, "main": dataplane.TableMain, "default": dataplane.TableDefault, "unspec": 0}}
	for _, s := range append(Sections(), Userspace()...) {
		g.sections[s] = &section{parts: map[string]string{}}
	}
	return g
}

func (g *hostBuilder) run() {
	for _, b := range g.outputs {
		for name, n := range b.facts.tables {
			g.tables[name] = n
		}
		g.host.Kernel = cmp.Or(g.host.Kernel, b.facts.kernel)
		g.root = g.root || b.facts.root
	}
	for _, b := range g.outputs {
		g.take(b)
	}
	g.finish()
	for _, name := range Sections() {
		g.cover(name)
	}
	g.coverStation()
	slices.Sort(g.host.Unread)
}

// take puts an output's facts into the host.
func (g *hostBuilder) take(b *output) {
	h, f := &g.host, &b.facts
	g.devices = append(g.devices, f.devices...)
	h.Addresses = append(h.Addresses, f.addresses...)
	h.Neighbours = append(h.Neighbours, f.neighbours...)
	h.Listeners = append(h.Listeners, f.listeners...)
	for key, value := range f.sysctls {
		if h.Sysctls == nil {
			h.Sysctls = map[string]string{}
		}
		h.Sysctls[key] = value
	}
	g.takeRoutes(b)
	g.takeRules(b)
	g.whole(b)
}

// takeRoutes finds the numbers of tables that are called by names.
func (g *hostBuilder) takeRoutes(b *output) {
	for _, r := range b.facts.routes {
		n, ok := g.table(r.table)
		if !ok {
			g.fault(Routes, "the number of table "+shorten(r.table)+" is not known")
			g.sections[Routes].tainted = true
			continue
		}
		r.Table = n
		g.host.Routes = append(g.host.Routes, r.Route)
	}
}

func (g *hostBuilder) takeRules(b *output) {
	for _, r := range b.facts.rules {
		n, ok := g.table(r.table)
		if !ok {
			g.fault(Rules, "the number of table "+shorten(r.table)+" is not known")
			g.sections[Rules].tainted = true
			continue
		}
		r.Table = n
		g.host.Rules = append(g.host.Rules, r.Rule)
	}
}

func (g *hostBuilder) table(name string) (int, bool) {
	if n, ok := number(name); ok || name == "" {
		return n, true
	}
	n, ok := g.tables[name]
	return n, ok
}

func (g *hostBuilder) fault(section, why string) {
	s := g.sections[section]
	s.found = true
	if len(s.faults) < maxFaults && !slices.Contains(s.faults, why) {
		s.faults = append(s.faults, why)
	}
}

// finish sorts everything as source/host does, so that the same state is equal.
func (g *hostBuilder) finish() {
	h := &g.host
	h.Links = mergeDevices(g.devices)
	slices.SortFunc(h.Addresses, func(a, b dataplane.Address) int {
		return cmp.Or(strings.Compare(a.Link, b.Link), a.Prefix.Addr().Compare(b.Prefix.Addr()), a.Prefix.Bits()-b.Prefix.Bits(), a.Peer.Compare(b.Peer))
	})
	h.Addresses = slices.Compact(h.Addresses)
	slices.SortFunc(h.Routes, compareRoutes)
	h.Routes = slices.Compact(h.Routes)
	// Rules of one priority keep the order in which they were shown.
	slices.SortStableFunc(h.Rules, func(a, b dataplane.Rule) int { return cmp.Or(a.Family-b.Family, a.Priority-b.Priority) })
	h.Rules = once(h.Rules)
	slices.SortFunc(h.Neighbours, func(a, b dataplane.Neighbour) int {
		return cmp.Or(strings.Compare(a.Link, b.Link), a.IP.Compare(b.IP), strings.Compare(a.MAC, b.MAC), strings.Compare(a.State, b.State))
	})
	h.Neighbours = slices.Compact(h.Neighbours)
	slices.SortFunc(h.Listeners, func(a, b dataplane.Listener) int {
		return cmp.Or(strings.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port), a.IP.Compare(b.IP), strings.Compare(a.Process, b.Process), a.PID-b.PID)
	})
	h.Listeners = slices.Compact(h.Listeners)
	g.finishServers()
	g.finishSets()
	g.finishTables()
	g.finishStation()
}

func compareRoutes(a, b dataplane.Route) int {
	return cmp.Or(a.Table-b.Table, a.To.Addr().Compare(b.To.Addr()), a.To.Bits()-b.To.Bits(), a.Metric-b.Metric, a.TOS-b.TOS,
		strings.Compare(a.Type, b.Type), strings.Compare(a.Link, b.Link), a.Via.Compare(b.Via), a.Source.Compare(b.Source),
		strings.Compare(a.Protocol, b.Protocol), a.Weight-b.Weight, strings.Compare(a.Scope, b.Scope), strings.Compare(a.Other, b.Other))
}

func once(list []dataplane.Rule) []dataplane.Rule {
	var out []dataplane.Rule
	for _, p := range list {
		if n := len(out); n > 0 && slices.Contains(out[max(0, n-64):], p) {
			continue
		}
		out = append(out, p)
	}
	return out
}

// mergeDevices makes one Link of what several outputs say of it; what tells more
// comes before what tells less.
func mergeDevices(list []device) []dataplane.Link {
	slices.SortStableFunc(list, func(a, b device) int { return amount(b) - amount(a) })
	at := map[string]int{}
	var out []dataplane.Link
	for _, d := range list {
		i, ok := at[d.Name]
		if !ok {
			at[d.Name] = len(out)
			out = append(out, d.Link)
			continue
		}
		l := &out[i]
		l.Index, l.Kind, l.MAC = cmp.Or(l.Index, d.Index), cmp.Or(l.Kind, d.Kind), cmp.Or(l.MAC, d.MAC)
	}
	slices.SortFunc(out, func(a, b dataplane.Link) int { return cmp.Or(a.Index-b.Index, strings.Compare(a.Name, b.Name)) })
	return out
}

func amount(d device) int {
	switch {
	case d.detailed:
		return 2
	case d.Index != 0:
		return 1
	}
	return 0
}

// finishServers keeps each service once. Where two outputs show it, the one with
// more destinations counts.
func (g *hostBuilder) finishServers() {
	best := map[serviceKey]dataplane.VirtualServer{}
	var order []serviceKey
	for _, b := range g.outputs {
		for _, s := range b.facts.servers {
			k := serviceKey{s.Proto, s.IP, s.Port, s.Mark, false}
			have, ok := best[k]
			if !ok {
				order = append(order, k)
			}
			if !ok || len(s.Servers) > len(have.Servers) {
				best[k] = s
			}
		}
	}
	for _, k := range order {
		s := best[k]
		s.Servers = slices.Clone(s.Servers)
		slices.SortFunc(s.Servers, func(a, b dataplane.RealServer) int {
			return cmp.Or(a.IP.Compare(b.IP), cmp.Compare(a.Port, b.Port), strings.Compare(a.Forward, b.Forward), a.Weight-b.Weight)
		})
		g.host.Servers = append(g.host.Servers, s)
	}
	slices.SortFunc(g.host.Servers, func(a, b dataplane.VirtualServer) int {
		return cmp.Or(a.IP.Compare(b.IP), strings.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Mark, b.Mark))
	})
}

func (g *hostBuilder) finishSets() {
	at := map[string]int{}
	for _, b := range g.outputs {
		for _, s := range b.facts.sets {
			i, ok := at[s.Name]
			if !ok {
				at[s.Name] = len(g.host.Sets)
				g.host.Sets = append(g.host.Sets, dataplane.Set{Name: s.Name, Type: s.Type, Members: slices.Clone(s.Members)})
				continue
			}
			if have := &g.host.Sets[i]; len(s.Members) > len(have.Members) {
				have.Members = slices.Clone(s.Members)
			}
		}
	}
	for i := range g.host.Sets {
		if s := &g.host.Sets[i]; s.Type != "list:set" { // whose order counts
			slices.Sort(s.Members)
			s.Members = slices.Compact(s.Members)
		}
	}
	slices.SortFunc(g.host.Sets, func(a, b dataplane.Set) int { return strings.Compare(a.Name, b.Name) })
}

func (g *hostBuilder) finishTables() {
	var saved, ruleset []dataplane.Table
	for _, b := range g.outputs {
		saved, ruleset = append(saved, b.facts.saved...), append(ruleset, b.facts.ruleset...)
	}
	g.host.Tables = mergeTables(saved, ruleset)
	g.unused(ruleset)
}

func compareTables(a, b dataplane.Table) int {
	return cmp.Or(strings.Compare(a.Family, b.Family), strings.Compare(a.Name, b.Name), strings.Compare(a.Backend, b.Backend))
}

func sameJSON[T any](a, b T) bool {
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(x, y)
}
