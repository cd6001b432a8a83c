// SPDX-License-Identifier: Apache-2.0

package repair

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/command"
	"whohas/dataplane"
	"whohas/diagnose"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/rule"
)

// Make plans the repair of what a diagnosis has found.
func Make(s diagnose.Seen, d diagnose.Diagnosis) Plan {
	p := Plan{Host: d.Host, Title: d.Title, Standing: standing(s.Host)}
	if d.Cause == nil || !d.Cause.Address().IsValid() {
		if len(p.Standing) > 0 {
			return p.finish(s)
		}
		p.Refused = []string{"there is nothing to repair here: " + d.Title}
		return p
	}
	m := planner{Seen: s, finding: d.Cause, ip: d.Cause.Address()}
	p.Address = m.ip
	p.Hold = flushed(s.Host)
	p.Claims, p.Withdrawals = m.claims()
	p.Hosts, p.Back = m.hosts(p.Hold)
	p.Ports = m.takenPorts(p.Host)
	p.After = m.after()
	p.Targets, p.Refused = m.targets()
	if m.translates() {
		p.Withdrawals = nil
		p.Refused = append(p.Refused, fmt.Sprintf("the service proxy works in %s mode here, where only ports are taken: the steps are for a person", s.Facts.Mode))
	}
	return p
}

// translates tells the modes in which a Service takes a port and no address. There an
// address may be claimed on purpose.
func (m *planner) translates() bool {
	return m.finding.Rule.Outage == rule.Redirected || m.Facts.Mode != dataplane.ModeUnknown && m.Facts.Mode != dataplane.IPVS
}

type planner struct {
	diagnose.Seen
	finding *rule.Finding
	ip      netip.Addr
}

// targets are the addresses that may be taken off this host, and what may not, with
// the reason. All that it holds of others goes at once: a node that gets back one of
// two lost addresses may still not reach the apiserver.
func (m *planner) targets() (targets []Target, refused []string) {
	for _, f := range slices.Concat(m.Result.Findings, m.Result.Hidden) {
		held := f.Rule.Outage == rule.Held || f.Rule.Outage == rule.Awaited
		if !held || !f.Address().IsValid() {
			continue
		}
		found, why := m.target(&f)
		targets = append(targets, found...)
		if why != "" {
			refused = append(refused, why)
		}
	}
	if len(targets)+len(refused) == 0 {
		refused = []string{m.nothing()}
	}
	return targets, refused
}

// nothing says why there is nothing to take off here.
func (m *planner) nothing() string {
	if own := m.on(m.ip, isOwn); len(own) > 0 {
		return fmt.Sprintf("%s is this host's own: it is never taken off here", m.ip)
	}
	return fmt.Sprintf("no service device of this host holds %s: there is nothing to take off here", m.ip)
}

// target judges an address that the rules say is held and another's.
func (m *planner) target(f *rule.Finding) ([]Target, string) {
	ip := f.Address()
	held := m.on(ip, func(a dataplane.Address) bool { return kubeproxy.IsDevice(a.Link) })
	if len(held) == 0 && f.Rule.Outage == rule.Awaited && slices.ContainsFunc(f.Claimants, m.awaits) {
		held = []dataplane.Address{{Link: kubeproxy.IPVSDevice, Prefix: netip.PrefixFrom(ip, ip.BitLen())}}
	}
	if len(held) == 0 {
		return nil, "" // it is another host's finding
	}
	clusterIP, known := claimants.IsClusterIP(m.Host, ip)
	evidence := evidence(f, m.Host.Name)
	switch {
	case len(m.on(ip, isOwn)) > 0, claimants.OwnByConfiguration(m.Host, ip):
		return nil, fmt.Sprintf("%s is this host's own: it is never taken off here", ip)
	case clusterIP:
		return nil, fmt.Sprintf("%s is among kube-proxy's ClusterIPs: a Service would lose its address", ip)
	case !known && !claimants.OnSubnet(m.Host, ip) && !someHosts(f):
		return nil, fmt.Sprintf("whether %s is a ClusterIP is not known here, and it is on none of this host's subnets", ip)
	case len(evidence) == 0:
		return nil, fmt.Sprintf("nothing here says that %s belongs to another host (--owner %s says so)", ip, ip)
	}
	var targets []Target
	for _, a := range held {
		targets = append(targets, Target{Device: a.Link, Prefix: a.Prefix, Evidence: evidence})
	}
	return targets, ""
}

// someHosts reports whether the address is a machine's by a word that cannot be about a
// Service's: a Node or host has it for itself, or somebody has said so (--owner).
func someHosts(f *rule.Finding) bool {
	return slices.ContainsFunc(f.Claimants, func(c rule.Claimant) bool {
		return c.Part == rule.Owner && (c.Role&claim.Host != 0 || strings.HasPrefix(string(c.Kind), "declared."))
	})
}

// awaits tells the claim of this host's proxy to an address that somebody has taken
// off: it is kept off as one that is there.
func (m *planner) awaits(c rule.Claimant) bool {
	return c.Kind == claimants.KernelAwaitedAddress.Kind && c.Origin.Host == m.Host.Name
}

// isOwn tells the devices on which a host has addresses for itself, lo and a dummy of
// its own among them: routers to the host and balancers put them there.
func isOwn(a dataplane.Address) bool { return !kubeproxy.IsDevice(a.Link) }

// on lists where this host has an address.
func (m *planner) on(ip netip.Addr, match func(dataplane.Address) bool) []dataplane.Address {
	var out []dataplane.Address
	for _, a := range m.Host.Addresses {
		if a.Prefix.Addr().WithZone("") == ip && match(a) {
			out = append(out, a)
		}
	}
	return out
}

// evidence cites who says that the address is another's: what the rule itself took
// for an owner.
func evidence(f *rule.Finding, host string) []string {
	var out []string
	for _, c := range f.Claimants {
		const owners = claim.Host | claim.ControlPlane | claim.Tunnel | claim.Reserved
		if c.Part == rule.Owner && c.Role&owners != 0 && (c.Owner.Kind != cluster.NodeKind.Kind || c.Owner.Name != host) {
			out = append(out, cite(c.Claim))
		}
	}
	return out
}

func cite(c claim.Claim) string {
	switch {
	case c.Origin.Host != "":
		return fmt.Sprintf("%s: %s in %s", c.Origin.Host, c.Range, c.Origin.Table)
	case c.Origin.File != "":
		return fmt.Sprintf("%s %s (%s:%d)", c.By, c.Origin.Field, c.Origin.File, c.Origin.Line)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s", c.By, c.Origin.Field))
}

// claims are the steps at the API: as long as the claim stands every kube-proxy keeps the
// address where it is.
func (m *planner) claims() (steps []explain.Step, withdrawals []Withdrawal) {
	where := m.whereKubectlWorks()
	for _, fix := range m.finding.Chain.Fixes[:min(1, len(m.finding.Chain.Fixes))] {
		for _, s := range fix.Steps {
			if s.Edit == nil || s.Edit.Host != nil {
				continue
			}
			s.Where = where
			steps = append(steps, s)
			withdrawals = append(withdrawals, Withdrawal{Edit: *s.Edit, Claimant: m.claimant(s)})
		}
	}
	if len(steps) == 0 {
		steps = append(steps, explain.Step{Where: where,
			Text:    fmt.Sprintf("see which Service claims %s, and take it out of that one (kubectl edit, or where it comes from)", m.ip),
			Command: command.Shell("kubectl get services -A -o wide | grep -F {}", m.ip.String())})
	}
	return steps, withdrawals
}

// claimant finds whose claim a step takes away.
func (m *planner) claimant(s explain.Step) rule.Claimant {
	for _, c := range m.finding.Claimants {
		if c.By == s.Edit.On && (c.Part == rule.Intruder || c.Part == rule.Rival) {
			return c
		}
	}
	return rule.Claimant{}
}

// whereKubectlWorks: a host that holds the apiserver's address does not reach it.
func (m *planner) whereKubectlWorks() string {
	t := explain.Target{Address: m.ip}
	if n, ok := m.Facts.NodeWith(m.ip); ok {
		t.Owner = n
	}
	switch {
	case m.finding.Rule.Outage == rule.Redirected:
		return explain.ByLoopback(m.Facts, t)
	case m.isServer() && len(m.on(m.ip, isOwn)) > 0:
		return m.Host.Name + ", this host, whose own way to the apiserver does not leave it"
	case m.isServer() && t.Owner.Name != "":
		return t.Owner.Name + " (its own way to the apiserver does not leave the host; from here kubectl does not work)"
	case m.isServer():
		return "the host whose address it is (its own way to the apiserver does not leave the host; from here kubectl does not work)"
	}
	return explain.Anywhere
}

// isServer reports whether the address is the apiserver's.
func (m *planner) isServer() bool {
	for c := range m.View.On(m.ip) {
		if c.Role == claim.ControlPlane {
			return true
		}
	}
	return false
}

// hosts are the steps on every host that holds the address, before the claim goes and
// after.
func (m *planner) hosts(hold string) (first, back []explain.Step) {
	if m.finding.Rule.Outage == rule.Redirected {
		return m.hostSteps(), nil
	}
	device := kubeproxy.IPVSDevice
	if held := m.on(m.ip, func(a dataplane.Address) bool { return kubeproxy.IsDevice(a.Link) }); len(held) > 0 {
		device = held[0].Link
	}
	victims := m.victims()
	each := "each host that holds it"
	if len(victims) > 1 {
		each = explain.Names(victims)
	}
	put, back := explain.PassOver(m.Snapshot.Host, victims, m.ip, device)
	if len(victims) < 2 { // others may hold it as well
		put, back = elsewhere(put, each), elsewhere(back, each)
	}
	by := "give it its way to the owner back, at once: by a routing rule, which needs no luck against kube-proxy"
	if hold != "" {
		by = "take it off and keep it off, until kube-proxy there has learned of the change"
	}
	first = []explain.Step{
		{Where: each, Text: "log in there from a machine that is not the owner, or by the console: they drop what the owner sends from this address"},
		{Where: each, Text: fmt.Sprintf("see that it is there, on %s and on no card", device), Command: command.Shell("ip -o addr show to {}", m.ip.String())},
		{Where: each, Text: by, Command: command.Shell("sudo whohas repair --apply")},
	}
	for _, s := range put {
		if hold == "" {
			s.Text = "or, without whohas, the same in one line"
			first = append(first, s)
		}
	}
	first = append(first, explain.Step{Where: each, Text: "or, where ip rule or the kernel is older than 4.18, keep it off for two minutes; one deletion is a race with kube-proxy's next sync",
		Command: command.KeepOff(m.ip, device)})
	return first, back
}

func elsewhere(steps []explain.Step, where string) []explain.Step {
	for i := range steps {
		steps[i].Where = where
	}
	return steps
}

// hostSteps are those of the finding's own fix that are done on hosts.
func (m *planner) hostSteps() []explain.Step {
	var out []explain.Step
	for _, fix := range m.finding.Chain.Fixes[:min(1, len(m.finding.Chain.Fixes))] {
		for _, s := range fix.Steps {
			if s.Edit == nil || s.Edit.Host != nil {
				out = append(out, s)
			}
		}
	}
	return out
}

// victims are the hosts that are known to hold the address.
func (m *planner) victims() []string {
	var out []string
	for c := range m.View.On(m.ip) {
		if c.Kind == claimants.KernelServiceAddress.Kind && !slices.Contains(out, c.Origin.Host) {
			out = append(out, c.Origin.Host)
		}
	}
	slices.Sort(out)
	if len(out) == 0 {
		return []string{m.Host.Name}
	}
	return out
}

// after is how to see that it worked.
func (m *planner) after() []explain.Step {
	return []explain.Step{
		{Where: "each host", Text: "see that kube-proxy has taken it off by itself: this prints nothing but on the owner", Command: command.Shell("ip -o addr show to {}", m.ip.String())},
		{Where: explain.Anywhere, Text: "see that every Node is Ready", Command: command.Shell("kubectl get nodes")},
		explain.ForgetNeighbour(m.ip),
	}
}
