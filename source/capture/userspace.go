// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"whohas/dataplane"
)

// userspaceFacts are what one output said of what runs on the host.
type userspaceFacts struct {
	told     []dataplane.ConfiguredServer
	names    map[string]netip.Addr // of /etc/hosts
	agents   []dataplane.Agent
	sessions []dataplane.Session
	both     bool // the sessions are of both families
	counters map[string]uint64
}

func isUserspace(section string) bool { return slices.Contains(Userspace(), section) }

// station reads the commands of these sections. Those of one word are our script's.
func (c *command) station(name string, args []string) bool {
	switch name {
	case "told":
		c.kind = ofTold
		return c.told.marked(args)
	case "grep":
		c.kind = ofTold
		return c.told.grep(args)
	case "agents", "counters":
		c.kind = name
		return len(args) == 0
	case "sessions":
		c.kind = ofSessions
		return len(args) == 0
	case "birdc", "birdcl", "birdc6", "birdcl6":
		c.kind = ofSessions
		return c.bird(name, args)
	case "calicoctl":
		c.kind = ofCalico
		return slices.Equal(args, []string{"node", "status"})
	}
	return false
}

// showsUserspace lists what an output shows of these sections, as shows does.
func (g *hostBuilder) showsUserspace(b *output) map[string][]string {
	all := []string{"all of it"}
	switch b.command.kind {
	case ofTold:
		switch {
		case b.source != fromMarker:
			all = nil
		case b.command.told.form != "":
			all = []string{"a file"}
		case !g.root:
			all = nil
			g.fault(Configured, "it was not captured by root")
		}
		return map[string][]string{Configured: all}
	case ofAgents:
		return map[string][]string{Agents: all}
	case ofCounters:
		return map[string][]string{Counters: all}
	case ofCalico:
		return map[string][]string{Sessions: {"IPv4", "IPv6"}}
	case ofSessions:
		switch {
		case b.command.speaker == "" || b.facts.userspace.both:
			return map[string][]string{Sessions: {"IPv4", "IPv6"}}
		case strings.HasSuffix(b.command.speaker, "6"):
			return map[string][]string{Sessions: {"IPv6"}}
		}
		return map[string][]string{Sessions: {"IPv4"}}
	}
	return nil
}

// coverStation writes down what became of these sections: of all, if our script
// captured any. A text that somebody captured by hand has nothing of them, mostly,
// and then the coverage says nothing of them.
func (g *hostBuilder) coverStation() {
	shown, scripted := map[string]bool{}, false
	for _, b := range g.outputs {
		names := []string{b.command.section}
		if b.command.section == "" {
			names = sortedKeys(g.showsUserspace(b))
		}
		for _, name := range names {
			shown[name] = true
			scripted = scripted || isUserspace(name) && b.source == fromMarker
		}
	}
	for _, name := range Userspace() {
		if scripted || shown[name] {
			g.cover(name)
		}
	}
}

// finishStation puts these sections into the host, sorted as source/host does.
func (g *hostBuilder) finishStation() {
	h, names := &g.host, map[string]netip.Addr{}
	for _, b := range g.outputs {
		f := &b.facts.userspace
		h.Configured = append(h.Configured, f.told...)
		h.Agents = append(h.Agents, f.agents...)
		h.Sessions = append(h.Sessions, f.sessions...)
		for name, ip := range f.names {
			names[name] = ip
		}
		for key, n := range f.counters {
			if h.Counters == nil {
				h.Counters = map[string]uint64{}
			}
			h.Counters[key] = n
		}
	}
	for i := range h.Configured {
		if w := &h.Configured[i]; !w.IP.IsValid() {
			w.IP = names[strings.ToLower(w.Host)]
		}
	}
	slices.SortFunc(h.Configured, func(a, b dataplane.ConfiguredServer) int {
		return cmp.Or(strings.Compare(a.What, b.What), strings.Compare(a.For, b.For), strings.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port),
			strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	h.Configured = slices.Compact(h.Configured)
	slices.SortFunc(h.Agents, func(a, b dataplane.Agent) int { return cmp.Or(strings.Compare(a.Name, b.Name), a.PID-b.PID) })
	slices.SortFunc(h.Sessions, func(a, b dataplane.Session) int {
		return cmp.Or(strings.Compare(a.Speaker, b.Speaker), strings.Compare(a.Name, b.Name), a.Peer.Compare(b.Peer), strings.Compare(a.State, b.State), strings.Compare(a.Error, b.Error))
	})
	h.Sessions = slices.Compact(h.Sessions)
}
