// SPDX-License-Identifier: Apache-2.0

package repair

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"whohas/bypass"
	"whohas/command"
	"whohas/dataplane"
	"whohas/diagnose"
	"whohas/explain"
	"whohas/kubeproxy"
)

// standing are the addresses for which a repair's routing rules stand on a host, in force
// or not.
func standing(h *dataplane.Host) []netip.Addr {
	var out []netip.Addr
	for _, b := range bypass.Of(h) {
		if b.Purpose == bypass.Repair && !slices.Contains(out, b.IP) {
			out = append(out, b.IP)
		}
	}
	return out
}

// finish plans the end of an earlier repair: nothing is wrong any more but that its rules
// stand. They are taken back when it is seen that nobody claims the address.
func (p Plan) finish(s diagnose.Seen) Plan {
	p.Address = p.Standing[0]
	p.Title = fmt.Sprintf("an earlier repair's routing rules stand here, for %s", explain.Names(texts(p.Standing)))
	for _, ip := range p.Standing {
		p.Targets = append(p.Targets, Target{Device: kubeproxy.IPVSDevice, Prefix: netip.PrefixFrom(ip, ip.BitLen()), Evidence: []string{"a repair's routing rule stands for it"}})
	}
	p.Back = []explain.Step{
		{Where: p.Host, Text: "take them back, when it is seen that kube-proxy has learned of the change", Command: command.Shell("sudo whohas repair --apply")},
		{Where: p.Host, Text: "or at once", Command: bypass.Lines(bypass.Take(s.Host, bypass.Repair))},
	}
	return p
}

func texts(ips []netip.Addr) []string {
	out := make([]string, len(ips))
	for i, ip := range ips {
		out[i] = ip.String()
	}
	return out
}

// flushed says who would remove routing rules from a host. systemd-networkd, from 247.4,
// removes those that it has not made, but for the kernel's; where rules have no protocol
// it knows the kernel's by their preference and table (systemd commit 0b81225; rules have
// a protocol from linux 4.17, commit cac56209a66e).
func flushed(h *dataplane.Host) string {
	networkd := slices.ContainsFunc(h.Agents, func(a dataplane.Agent) bool { return strings.HasPrefix(a.Name, "systemd-network") })
	if networkd && older(h.Kernel, 4, 17) {
		return fmt.Sprintf("systemd-networkd runs here, and with kernel %s it takes a routing rule of ours for a stranger's, and removes it", h.Kernel)
	}
	return ""
}

// older reports whether a kernel's release is before another's; not where it is unknown.
func older(release string, major, minor int) bool {
	first, rest, ok := strings.Cut(release, ".")
	second, _, _ := strings.Cut(rest, ".")
	second, _, _ = strings.Cut(second, "-")
	a, err := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	return ok && err == nil && err2 == nil && (a < major || a == major && b < minor)
}

// takenPorts are the steps where the Service itself claims a port that the host needs of
// the owner: IPVS takes it whatever the routes say (linux net/netfilter/ipvs/ip_vs_core.c,
// hook LOCAL_OUT; lab claim-on-6443). Only the virtual server's going heals, and kube-proxy
// puts it back until it has learned that the claim is gone.
func (m *planner) takenPorts(where string) []explain.Step {
	var out []explain.Step
	for _, v := range m.Host.Servers {
		what := m.needs(v)
		if what == "" {
			continue
		}
		out = append(out, explain.Step{Where: where, Command: command.KeepServerOff(v.IP, v.Proto, v.Port),
			Text: fmt.Sprintf("port %d of %s, where this host reaches %s, is the Service's itself: no rule and no deletion of the address heals that. When the claim is gone, keep the virtual server off until kube-proxy has learned of it", v.Port, m.ip, what)})
	}
	return out
}

// needs says what a host needs at a virtual server on the stolen address.
func (m *planner) needs(v dataplane.VirtualServer) string {
	if v.Mark != 0 || v.IP != m.ip {
		return ""
	}
	for _, w := range m.Host.Configured {
		if w.IP.IsValid() && w.IP == m.ip && w.Port == v.Port {
			return map[string]string{"apiserver": "the apiserver", "control-plane": "the apiserver", "etcd": "etcd", "resolver": "its resolver"}[w.What]
		}
	}
	const bgp = 179
	if v.Port == bgp && slices.ContainsFunc(m.Host.Sessions, func(s dataplane.Session) bool { return s.Peer == m.ip }) {
		return "its BGP peer"
	}
	return ""
}
