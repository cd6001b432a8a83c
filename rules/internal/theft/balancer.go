// SPDX-License-Identifier: Apache-2.0

package theft

import (
	"net/netip"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/snapshot"
)

// BalanceAPI reports whether virtual servers of a host lead to apiservers: a balancer of
// the control plane on each host, as kube-vip, keepalived and lvscare make one, or a
// Service in front of it.
func BalanceAPI(p *rule.Pass, h *dataplane.Host, servers []dataplane.VirtualServer) bool {
	return slices.ContainsFunc(servers, func(v dataplane.VirtualServer) bool {
		at := netip.AddrPortFrom(v.IP, v.Port)
		return len(v.Servers) > 0 && !slices.ContainsFunc(v.Servers, func(r dataplane.RealServer) bool {
			return !LeadsToServer(p, h, at, netip.AddrPortFrom(r.IP, r.Port))
		})
	})
}

// LeadsToServer reports whether an apiserver is behind a destination of what is taken for
// one. Where no object says, a machine's is: by its port, and by no Pod being there.
func LeadsToServer(p *rule.Pass, h *dataplane.Host, at, to netip.AddrPort) bool {
	return isAPIServer(p, to.Addr(), to.Port()) || toldServer(p, at) && (to.Port() == at.Port() || to.Port() == 6443) && h != nil && !podThere(h, to.Addr())
}

// toldServer reports whether hosts are told to find an apiserver at an address and port.
func toldServer(p *rule.Pass, at netip.AddrPort) bool {
	for c := range p.View.OverlappingIn(claim.Single(at.Addr()), claim.ControlPlane) {
		if slices.Contains(c.Ports, snapshot.Port{Proto: "TCP", Number: at.Port()}) {
			return true
		}
	}
	return false
}

// podThere reports whether a host's routes lead to an address as to a Pod: through a
// tunnel or a container's device, or over another node. Machines are on a subnet of a
// card, or behind the default route.
func podThere(h *dataplane.Host, ip netip.Addr) bool {
	if slices.ContainsFunc(h.Sandboxes, func(s dataplane.Sandbox) bool { return s.IP == ip }) {
		return true
	}
	best := -1
	pod := false
	for _, r := range h.Routes {
		if r.Table != dataplane.TableMain || r.Type != "unicast" || !r.To.IsValid() || !r.To.Contains(ip) || r.To.Bits() <= best {
			continue
		}
		best = r.To.Bits()
		pod = best > 0 && (r.Via.IsValid() || r.Protocol == "bird" || !cardNamed(h, r.Link))
	}
	return pod
}

func cardNamed(h *dataplane.Host, name string) bool {
	return slices.ContainsFunc(h.Links, func(l dataplane.Link) bool {
		return l.Name == name && slices.Contains([]string{"", "bond", "team", "vlan", "bridge"}, l.Kind) && l.Name != "cni0" && l.Name != "docker0"
	})
}

// isAPIServer reports whether an apiserver is known to answer there.
func isAPIServer(p *rule.Pass, ip netip.Addr, port uint16) bool {
	if slices.Contains(p.Facts.APIBackends, ip) && slices.ContainsFunc(p.Facts.APIServers, func(e cluster.Endpoint) bool { return e.Port == port }) {
		return true
	}
	for c := range p.View.OverlappingIn(claim.Single(ip), claim.ControlPlane|claim.Host) {
		switch {
		case c.Role == claim.ControlPlane && slices.Contains(c.Ports, snapshot.Port{Proto: "TCP", Number: port}):
			return true
		case c.Role == claim.Host && port == 6443:
			return true
		}
	}
	return false
}

// Destinations lists where rules of a table lead, over the chains that they jump to.
// A rule of another kind than a jump or a translation leads nowhere that is known: ok
// is false then.
func Destinations(t *dataplane.Table, rules []string) (out []netip.AddrPort, ok bool) {
	const most = 1000 // chains; a Service has one for each endpoint
	seen := map[string]bool{}
	for len(rules) > 0 {
		rule := rules[0]
		rules = rules[1:]
		to, translated := word(rule, "--to-destination ")
		jump, jumps := word(rule, "-j ")
		switch {
		case translated:
			dest, err := netip.ParseAddrPort(to)
			if err != nil {
				return nil, false
			}
			out = append(out, netip.AddrPortFrom(dest.Addr().Unmap(), dest.Port()))
		case jumps && strings.HasPrefix(jump, kubeproxy.MarkPrefix), jumps && (jump == "MARK" || jump == "RETURN" || jump == "ACCEPT"):
		case jumps && !seen[jump] && len(seen) < most:
			seen[jump] = true
			for _, c := range t.Chains {
				if c.Name == jump {
					rules = append(rules, c.Rules...)
				}
			}
		}
	}
	return out, len(out) > 0
}

// word is what follows a flag.
func word(rule, flag string) (string, bool) {
	_, after, ok := strings.Cut(rule, flag)
	text, _, _ := strings.Cut(after, " ")
	return text, ok
}
