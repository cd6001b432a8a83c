// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"whohas/dataplane"
	"whohas/snapshot"
)

// needed lists the parts of a section without which it is not complete.
func needed(section string) []string {
	both := []string{"IPv4", "IPv6"}
	switch section {
	case Links:
		return []string{"the devices", "what kind of device each is"}
	case Addresses, Routes, Rules, Sessions:
		return both
	case Neighbours:
		return append(both, "proxy entries of both", "the forwarding databases")
	case IPTables:
		return []string{"legacy of IPv4", "legacy of IPv6", "nft of IPv4", "nft of IPv6"}
	case Listeners:
		return []string{"TCP", "UDP", "all processes"}
	}
	return []string{"all of it"}
}

// families are the parts that a command shows.
func (c command) families(otherwise ...string) []string {
	switch c.family {
	case "4":
		return []string{"IPv4"}
	case "6":
		return []string{"IPv6"}
	}
	return otherwise
}

// shows lists what an output's command shows, by section, if it shows it whole.
func (g *hostBuilder) shows(b *output) map[string][]string {
	c := b.command
	switch c.kind {
	case ofDevices:
		out := map[string][]string{Links: {"the devices"}}
		if b.facts.kinds {
			out[Links] = append(out[Links], "what kind of device each is")
		}
		if c.object != "link" {
			out[Addresses] = c.families("IPv4", "IPv6")
		}
		return out
	case ofIfconfig:
		return map[string][]string{Links: nil, Addresses: nil}
	case ofRoutes:
		if c.table != "all" {
			return map[string][]string{Routes: nil}
		}
		return map[string][]string{Routes: c.families("IPv4", "IPv6")}
	case ofRules:
		return map[string][]string{Rules: c.families("IPv4")}
	case ofNeigh:
		if c.proxy {
			return proxies(c.family)
		}
		return map[string][]string{Neighbours: c.families("IPv4", "IPv6")}
	case ofFDB:
		return map[string][]string{Neighbours: {"the forwarding databases"}}
	case ofIPVS:
		return map[string][]string{IPVS: {"all of it"}}
	case ofSets:
		return map[string][]string{IPSet: {"all of it"}}
	case ofRuleset:
		return map[string][]string{NFTables: {"all of it"}}
	case ofSave, ofLegacy:
		return g.showsTables(b)
	case ofSysctl:
		return map[string][]string{Sysctls: {"all of it"}}
	case ofSockets, ofNetstat:
		return map[string][]string{Listeners: b.showsSockets(g.root)}
	}
	return g.showsUserspace(b)
}

func proxies(family string) map[string][]string {
	if family != "" {
		return map[string][]string{Neighbours: nil}
	}
	return map[string][]string{Neighbours: {"proxy entries of both"}}
}

// showsTables are the families and back ends that iptables-save showed; what the
// kernel says of legacy tables counts where it says that there are none.
func (g *hostBuilder) showsTables(b *output) map[string][]string {
	family := map[string]string{"4": "IPv4", "6": "IPv6"}[b.command.family]
	if b.command.kind == ofLegacy {
		if len(b.facts.names) > 0 {
			return nil
		}
		return map[string][]string{IPTables: {"legacy of " + family}}
	}
	backend := b.command.backend
	for _, t := range b.facts.saved {
		backend = t.Backend
	}
	if backend == "" {
		return map[string][]string{IPTables: nil}
	}
	return map[string][]string{IPTables: {backend + " of " + family}}
}

func (b *output) showsSockets(root bool) []string {
	var out []string
	if b.command.tcp {
		out = append(out, "TCP")
	}
	if b.command.udp {
		out = append(out, "UDP")
	}
	if b.command.owners && (root && b.source == fromMarker || b.root) {
		out = append(out, "all processes")
	}
	return out
}

// unused tells that nft shows no table that iptables-nft may have made.
func (g *hostBuilder) unused(ruleset []dataplane.Table) {
	n := g.sections[NFTables]
	if _, whole := n.parts["all of it"]; !whole && n.absent == "" {
		return
	}
	for family, name := range map[string]string{"ip": "IPv4", "ip6": "IPv6"} {
		if !slices.ContainsFunc(ruleset, func(t dataplane.Table) bool {
			return t.Family == family && slices.Contains([]string{"filter", "nat", "mangle", "raw", "security"}, t.Name)
		}) {
			g.sections[IPTables].parts["nft of "+name] = "unused"
		}
	}
}

// whole notes which parts of sections an output shows whole, or why it does not.
func (g *hostBuilder) whole(b *output) {
	if b.deadSpeaker() {
		g.sections[Sessions].absent = "no BIRD runs here: its socket refuses connections"
		return
	}
	switch b.command.kind {
	case isNone:
		if s := g.sections[b.command.section]; s != nil {
			s.absent = b.said
		} else if backend, family, ok := strings.Cut(b.command.section, "-"); ok { // "legacy-IPv4"
			g.sections[IPTables].parts[backend+" of "+family] = "none"
		}
		return
	case isMissing:
		if s := g.sections[b.command.section]; s != nil {
			s.lacks = b.said
			s.tainted = s.tainted || isUserspace(b.command.section)
		}
		return
	}
	why := b.notWhole()
	if why != "" && b.command.told.file != "" {
		why = b.command.told.file + ": " + why
	}
	for name, parts := range g.shows(b) {
		s := g.sections[name]
		// Empty by nature, or understood: the section has been looked at.
		s.found = s.found || b.facts.any || why == "" && b.command.kind != ofLegacy
		s.outcome(b)
		if why != "" {
			if b.facts.any || isUserspace(name) && (b.faults.count > 0 || b.source == fromMarker && b.command.told.file != "") {
				g.fault(name, why)
			}
			s.tainted = s.tainted || isUserspace(name) // whose parts are many outputs
			continue
		}
		for _, p := range parts {
			said := b.says(name)
			if before, twice := s.parts[p]; twice && before != said && before != "" {
				g.fault(name, "captured twice, and the captures differ")
				s.tainted = true
				s.parts[p] = ""
				continue
			}
			s.parts[p] = said
		}
		if len(parts) == 0 && b.facts.any {
			g.fault(name, "it was captured as "+shorten(b.command.words))
		}
	}
}

// outcome keeps why a command showed nothing.
func (s *section) outcome(b *output) {
	switch {
	case b.facts.any:
	case strings.Contains(b.said, "Can't initialize ipvs: Protocol not available"):
		s.absent = "no ip_vs in this kernel"
	case strings.Contains(b.said, "not found"):
		s.lacks = b.said
	case strings.Contains(b.said, "ermission denied"), strings.Contains(b.said, "not permitted"), strings.Contains(b.said, "must be root"), strings.Contains(b.said, "are you root"):
		s.denied = true
	case b.closed && b.status == 124: // timeout(1)
		s.failed = "took too long"
	case b.closed && b.status != 0:
		s.failed = fmt.Sprintf("%s ended with status %d: %s", b.command.words, b.status, b.said)
	}
}

// notWhole tells why an output may not be all that its command shows.
func (b *output) notWhole() string {
	switch {
	case b.cut:
		return "a part was left out"
	case b.faults.count > 0:
		return fmt.Sprintf("%s not understood", lines(b.faults.count))
	case b.source == fromShape:
		return "nothing tells which command printed it"
	case b.command.narrow != "":
		return b.command.narrow
	case b.source == fromMarker && !b.closed:
		return "its end is not there"
	case b.source == fromMarker && b.status != 0 && b.command.kind == ofTold:
		return "not permitted: needs root"
	case b.source == fromMarker && b.status != 0:
		return fmt.Sprintf("%s ended with status %d", b.command.words, b.status)
	case !b.facts.any && (b.source != fromMarker || b.command.neverEmpty()):
		return "nothing was shown"
	}
	return ""
}

// says is what an output said of a section, for comparison; empty where two outputs
// may differ without contradiction.
func (b *output) says(section string) string {
	var v any
	switch section {
	case IPVS:
		return b.saidServers()
	case Addresses:
		v = len(b.facts.addresses)
		if b.command.family == "" {
			return fmt.Sprint(v)
		}
		return ""
	case Routes:
		if b.command.family == "" {
			return fmt.Sprint(len(b.facts.routes))
		}
		return ""
	case IPSet:
		v = b.facts.sets
	default:
		return ""
	}
	out, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(out)
}

func (b *output) saidServers() string {
	n := 0
	for _, s := range b.facts.servers {
		n += len(s.Servers)
	}
	return fmt.Sprint(len(b.facts.servers), n)
}

// cover writes down what became of a section, as source/host does.
func (g *hostBuilder) cover(name string) {
	s := g.sections[name]
	c := snapshot.Coverage{Source: "host " + g.host.Name + " " + name, Count: g.count(name)}
	var lacks []string
	for _, part := range needed(name) {
		if _, ok := s.parts[part]; !ok {
			lacks = append(lacks, part)
		}
	}
	switch {
	case len(lacks) == 0 && !s.tainted:
		c.Status, c.Complete = snapshot.StatusRead, true
	case s.found || len(s.parts) > 0 && c.Count > 0:
		c.Status, c.Detail = snapshot.StatusPartial, s.partly(name, lacks)
	case s.absent != "":
		c.Status, c.Complete, c.Detail = snapshot.StatusAbsent, true, s.absent
	case s.denied:
		c.Status, c.Detail = snapshot.StatusDenied, "not permitted: needs root"
	case s.failed != "":
		c.Status, c.Detail = snapshot.StatusUnreadable, s.failed
	case s.lacks != "":
		c.Status, c.Detail = snapshot.StatusAbsent, s.lacks
	default:
		c.Status, c.Detail = snapshot.StatusAbsent, "not captured"
	}
	if !c.Complete {
		g.host.Unread = append(g.host.Unread, name)
	}
	g.coverage = append(g.coverage, c)
}

// partly says what a section lacks.
func (s *section) partly(name string, lacks []string) string {
	var out []string
	if len(lacks) > 0 && len(needed(name)) > 1 {
		out = append(out, "not whole: "+strings.Join(lacks, ", "))
	}
	out = append(out, s.faults...)
	if s.lacks != "" {
		out = append(out, s.lacks)
	}
	if s.failed != "" {
		out = append(out, s.failed)
	}
	return strings.Join(out, "; ")
}

func (g *hostBuilder) count(name string) int {
	h := &g.host
	switch name {
	case Links:
		return len(h.Links)
	case Addresses:
		return len(h.Addresses)
	case Routes:
		return len(h.Routes)
	case Rules:
		return len(h.Rules)
	case Neighbours:
		return len(h.Neighbours)
	case IPVS:
		return len(h.Servers)
	case IPSet:
		return len(h.Sets)
	case Sysctls:
		return len(h.Sysctls)
	case Listeners:
		return len(h.Listeners)
	case Agents:
		return len(h.Agents)
	case Configured:
		return len(h.Configured)
	case Sessions:
		return len(h.Sessions)
	case Counters:
		return len(h.Counters)
	case Sandboxes, LogMatches:
		return 0
	}
	n := 0
	for _, b := range g.outputs {
		if name == NFTables {
			n += len(b.facts.ruleset)
		} else {
			n += len(b.facts.saved)
		}
	}
	return n
}

// neverEmpty tells that a command always shows something, be it a heading.
func (c command) neverEmpty() bool {
	return slices.Contains([]string{ofDevices, ofRuleset, ofSysctl, ofSockets, ofNetstat, ofAgents, ofCounters}, c.kind)
}
