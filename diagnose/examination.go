// SPDX-License-Identifier: Apache-2.0

package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/dataplane"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/snapshot"
)

// examination is a host that is being looked at.
type examination struct {
	Seen
	host *dataplane.Host
	held []netip.Addr // on service devices, though somebody else's by evidence
	back []netip.Addr // the same, but taken off: kube-proxy will put them back
	mine []netip.Addr // on the host's own cards
}

func newExamination(s Seen) *examination {
	l := &examination{Seen: s, host: s.Host}
	for _, a := range s.Host.Addresses {
		if ip := a.Prefix.Addr().WithZone(""); !kubeproxy.IsDevice(a.Link) && a.Scope != "host" {
			l.mine = append(l.mine, ip)
		}
	}
	for _, f := range slices.Concat(s.Result.Findings, s.Result.Hidden) {
		switch {
		case !l.holds(f):
		case f.Rule.Outage == rule.Held && !slices.Contains(l.held, f.Address()):
			l.held = append(l.held, f.Address())
		case f.Rule.Outage == rule.Awaited && !slices.Contains(l.back, f.Address()):
			l.back = append(l.back, f.Address())
		}
	}
	return l
}

// holds reports whether this is one of the hosts that hold what is another's.
func (x *examination) holds(f rule.Finding) bool {
	return !slices.Contains(x.mine, f.Address()) && slices.ContainsFunc(f.Claimants, func(c rule.Claimant) bool {
		return c.Role == claim.Observed && c.Origin.Host == x.host.Name
	})
}

// concerns reports whether a finding is about this host: it holds what is another's,
// or what is its own is another's too.
func (x *examination) concerns(f rule.Finding) bool {
	if slices.ContainsFunc(f.Claimants, func(c rule.Claimant) bool { return c.Origin.Host == x.host.Name || c.Scope.Host == x.host.Name }) {
		return true
	}
	if ip := f.Address(); ip.IsValid() && slices.Contains(x.mine, ip) {
		return true
	}
	return slices.ContainsFunc(f.Chain.Impacts, func(i explain.Impact) bool { return slices.Contains(i.Nodes, x.host.Name) })
}

// findings parts the findings: the first that is a cause, and the others that
// concern the host.
func (x *examination) findings() (cause *rule.Finding, others []rule.Finding) {
	for i := range x.Result.Findings {
		f := x.Result.Findings[i]
		if !x.concerns(f) || f.Rule.On == rule.OnCluster {
			continue
		}
		if cause == nil && x.isCause(f) {
			cause = &f
			continue
		}
		others = append(others, f)
	}
	return cause, others
}

// isCause tells the findings that are the outage itself, and not a danger: the kernel
// of a host that was read shows it. What objects alone say may be meant for another
// proxy mode than the one at work. An answer of a machine that is no node is somebody
// else's: the check of duplicates speaks of it.
func (x *examination) isCause(f rule.Finding) bool {
	switch f.Rule.Outage {
	case rule.Answered:
		return f.Severity >= rule.Error && x.answeredByNode(f.Address())
	case rule.Held, rule.Awaited: // also where a routing rule leads past it: it is taken all the same
		return true
	case rule.Redirected:
		return f.Severity >= rule.Critical
	case rule.Claimed:
		return f.Severity >= rule.Critical && x.shown(f.Address())
	}
	return false
}

// shown reports whether a kernel or the wire bears out that an address is taken: a host
// holds it, leads it elsewhere, or answers for it, or this one's own proxy serves it.
func (x *examination) shown(ip netip.Addr) bool {
	for _, f := range slices.Concat(x.Result.Findings, x.Result.Hidden) {
		if f.Address() == ip && f.Rule.Outage.Seen() {
			return true
		}
	}
	return kubeproxy.Recognise(x.host).Mode == dataplane.IPVS && slices.ContainsFunc(x.host.Servers, func(v dataplane.VirtualServer) bool { return v.IP == ip })
}

// unread reports whether a section of the host could not be read, or not whole.
func (x *examination) unread(sections ...string) (string, bool) {
	for _, s := range sections {
		for _, c := range x.Snapshot.Coverage {
			if c.Source == "host "+x.host.Name+" "+s && !c.Complete {
				return fmt.Sprintf("%s: %s", s, detail(c)), true
			}
		}
		if slices.Contains(x.host.Unread, s) {
			return s + " not read", true
		}
	}
	return "", false
}

func detail(c snapshot.Coverage) string {
	if c.Detail != "" {
		return c.Detail
	}
	return string(c.Status)
}

// wasRead reports whether a section of what runs on the host was read at all:
// snapshots of kernels alone have no word of it.
func (x *examination) wasRead(section string) bool {
	return slices.ContainsFunc(x.Snapshot.Coverage, func(c snapshot.Coverage) bool {
		return c.Source == "host "+x.host.Name+" "+section && (c.Status == snapshot.StatusRead || c.Status == snapshot.StatusPartial || c.Complete)
	})
}

// notRead is the check of what could not be looked at.
func (x *examination) notRead(name string, sections ...string) (Check, bool) {
	if why, is := x.unread(sections...); is {
		return Check{Name: name, Outcome: Missing, Text: why}, true
	}
	for _, s := range sections {
		if isStation(s) && !x.wasRead(s) {
			return Check{Name: name, Outcome: Missing, Text: s + " not read"}, true
		}
	}
	return Check{}, false
}

// isStation tells the sections that source/host reads where it is asked to
// (Options.Userspace).
func isStation(section string) bool {
	return slices.Contains([]string{"agents", "told", "sessions", "sandboxes", "notices", "counters"}, section)
}

// agent finds a program that runs on the host, by the beginning of its name.
func (x *examination) agent(names ...string) (dataplane.Agent, bool) {
	for _, name := range names {
		for _, a := range x.host.Agents {
			if a.Name == name || strings.HasPrefix(a.Name, name+"-") {
				return a, true
			}
		}
	}
	return dataplane.Agent{}, false
}

// logMatches lists what logs say in some sorts.
func (x *examination) logMatches(signs ...string) []dataplane.LogMatch {
	var out []dataplane.LogMatch
	for _, n := range x.host.LogMatches {
		if slices.Contains(signs, n.Pattern) {
			out = append(out, n)
		}
	}
	return out
}

func quote(notices []dataplane.LogMatch) []string {
	var out []string
	for _, n := range notices {
		out = append(out, fmt.Sprintf("%s, %d times, last: %s", n.Source, n.Count, n.Last))
	}
	return out
}

// owners lists the evidence that an address belongs to another than this host.
func (x *examination) owners(ip netip.Addr) []claim.Claim {
	var out []claim.Claim
	for c := range x.View.On(ip) {
		if c.Role&(claim.Host|claim.ControlPlane|claim.Tunnel|claim.Reserved) != 0 {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, claim.Compare)
	return out
}
