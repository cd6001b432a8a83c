// SPDX-License-Identifier: Apache-2.0

package rules

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
	"whohas/explain"
	"whohas/rule"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/theft"
	"whohas/snapshot"
)

// StolenEndpoint is the outage of one port, in any mode.
var StolenEndpoint = add(rule.Rule{
	ID:       "WH113",
	Name:     "stolen-endpoint",
	Severity: rule.Critical,
	Outage:   rule.Redirected,
	Policy:   rule.Policy{None: "no write brings it: a host shows it"},
	Doc: rule.Doc{
		Problem: "A host's NAT rules, or its IPVS virtual servers, give traffic to an apiserver, etcd or kubelet another destination.",
		Effect:  "The host, and its Pods, reach something else where they mean the apiserver, etcd or kubelet: kubelet and kube-proxy lose their watch when they open a new connection, etcd its peer, the apiserver its logs and exec. Ping and all other ports go on, so that the network looks healthy.",
		Why:     "A rule matches address, protocol and port, whoever has the address. A Service with the port of an apiserver and one of its addresses is enough, and so is a rule that somebody made by hand or left behind. It works on the owner too: only 127.0.0.1 is spared.",
		Fix:     "Take the port or the address out of the Service. A rule that no Service explains must be deleted where it is made; on a host whose kube-proxy cannot learn of the change, delete the rule: otherwise the same rule blocks a restarted kube-proxy.",
		Since:   "0.1",
		Refs:    []string{"https://github.com/kubernetes/kubernetes/issues/97076"},
	},
	After:   []*rule.Rule{ExternalIPIsNode, LBIPIsNode, ClaimsControlPlane, StolenAddress},
	Subject: claim.Observed,
	Against: claim.Host | claim.ControlPlane,
	Check: func(p *rule.Pass) {
		for _, ip := range pick.InsideAddrs(p.Others(claim.Host | claim.ControlPlane)) {
			if p.Key.Range.Contains(ip) {
				reportEndpoint(p, ip)
			}
		}
	},
})

// taking is a claim of a kernel and what of an address it takes: "apiserver".
type taking struct {
	claim.Claim
	serves []string
	ports  claim.Ports
}

func reportEndpoint(p *rule.Pass, ip netip.Addr) {
	on := claimsOn(p, ip)
	owners := pick.InRole(on, claim.Host|claim.ControlPlane)
	var taken []taking
	answer := servers(p, ip, on)
	for _, c := range pick.OfKind(p.Subjects(), claimants.KernelNAT.Kind, claimants.KernelVirtualServer.Kind) {
		if t := takes(p, c, ip, answer); len(t.serves) > 0 {
			taken = append(taken, t)
		}
	}
	if len(taken) == 0 {
		return
	}
	services, kernels := takingServices(on, taken), claimsOf(taken)
	f := rule.Finding{
		Severity: rule.Critical, Range: claim.Single(ip),
		Title: fmt.Sprintf("%s of %s, where %s answers, leads elsewhere on %s", portsOf(taken), ip, explain.Names(servedBy(taken)), explain.Names(pick.HostNames(kernels))),
		Chain: endpointChain(p, taken, services, owners, ip),
	}
	if len(services) > 0 {
		f.Title += ", for " + pick.Names(services)
		f.Claimants = pick.ClaimantsOf(services, owners, kernels)
	} else {
		f.Claimants = pick.ClaimantsOf(kernels, owners, nil)
	}
	p.Report(f)
}

func endpointChain(p *rule.Pass, taken []taking, services, owners []claim.Claim, ip netip.Addr) explain.Chain {
	hosts := pick.HostNames(claimsOf(taken))
	where := fmt.Sprintf("%s of %s", portsOf(taken), ip)
	cause := fmt.Sprintf("%s: %s is given another destination", explain.Names(hosts), where)
	if len(services) > 0 {
		cause += ", because " + pick.Names(services) + " claims it"
	}
	evidence := ruleEvidence(p, taken, ip)
	return explain.Chain{
		Cause: explain.Link{Text: cause, Evidence: evidence},
		Impacts: []explain.Impact{{
			Text:  fmt.Sprintf("%s: connections that they and their Pods make to %s do not reach %s; those that were open, ping and other ports do", explain.Names(hosts), where, explain.Names(servedBy(taken))),
			Nodes: hosts, Lost: servedBy(taken), Certainty: explain.Observed, Evidence: evidence,
			Effects: endpointEffects(taken, owners),
		}},
		Fixes: []explain.Fix{endpointFix(p, taken, services, ip)},
	}
}

// claimsOn lists the claims on exactly one address of the key.
func claimsOn(p *rule.Pass, ip netip.Addr) []claim.Claim {
	return slices.DeleteFunc(p.Others(^claim.Roles(0)), func(c claim.Claim) bool { return c.Range != claim.Single(ip) })
}

// takes tells which servers of the address a claim takes traffic from. What leads
// to apiservers takes none from them.
func takes(p *rule.Pass, c claim.Claim, ip netip.Addr, answer map[snapshot.Port]string) taking {
	t := taking{Claim: c}
	if c.Owner == cluster.ServiceKind.Ref("default", "kubernetes") || meantForAPI(p, c, ip) {
		return t
	}
	for port, name := range answer {
		if len(c.Ports) > 0 && !slices.Contains(c.Ports, port) {
			continue
		}
		t.ports = append(t.ports, port)
		if !slices.Contains(t.serves, name) {
			t.serves = append(t.serves, name)
		}
	}
	slices.Sort(t.serves)
	slices.SortFunc(t.ports, func(a, b snapshot.Port) int { return int(a.Number) - int(b.Number) })
	return t
}

// servers are the ports of an address on which the cluster's own servers answer.
func servers(p *rule.Pass, ip netip.Addr, on []claim.Claim) map[snapshot.Port]string {
	out := map[snapshot.Port]string{}
	api := false
	for _, c := range pick.InRole(on, claim.ControlPlane) {
		api = true
		for _, port := range c.Ports {
			out[port] = "apiserver"
		}
	}
	for _, e := range p.Facts.APIServers {
		api = api || e.IP == ip
	}
	for _, c := range on {
		if c.Kind == claimants.KernelListener.Kind {
			for _, port := range c.Ports {
				if name := serverProcess(c, port); name != "" {
					out[port] = name
				}
			}
		}
	}
	node, ok := p.Facts.NodeWith(ip)
	if !ok && len(pick.InRole(on, claim.Host)) == 0 {
		return out // nobody's own: no kubelet answers there
	}
	for _, number := range []uint16{6443, 10250, 2379, 2380} {
		port := snapshot.Port{Proto: "TCP", Number: number}
		if name := explain.HostListener(port, node, api, p.Facts); name != "" {
			out[port] = name
		}
	}
	return out
}

// serverProcess names the cluster's server that a socket is of.
func serverProcess(c claim.Claim, port snapshot.Port) string {
	switch name := strings.TrimPrefix(c.Origin.Table, "socket of "); {
	case name == "kube-apiserver":
		return "apiserver"
	case name == "etcd" && (port.Number == 2379 || port.Number == 2380):
		return "etcd"
	case name == "kubelet" && port.Number == 10250:
		return "kubelet"
	}
	return ""
}

// meantForAPI reports whether what takes an address leads to apiservers: a balancer.
func meantForAPI(p *rule.Pass, c claim.Claim, ip netip.Addr) bool {
	h := p.Objects.Host(c.Origin.Host)
	if c.Kind == claimants.KernelVirtualServer.Kind {
		of := slices.DeleteFunc(theft.ServersOf(h, ip), func(v dataplane.VirtualServer) bool {
			return !slices.Contains(c.Ports, snapshot.Port{Proto: v.Proto, Number: v.Port})
		})
		return theft.BalanceAPI(p, h, of)
	}
	if h == nil {
		return false
	}
	table, _, _ := strings.Cut(c.Origin.Table, " ")
	rules := rulesFor(h, c, ip)
	for i := range h.Tables {
		if h.Tables[i].Name != table {
			continue
		}
		to, ok := theft.Destinations(&h.Tables[i], rules)
		if !ok {
			continue
		}
		return !slices.ContainsFunc(to, func(dest netip.AddrPort) bool {
			return !slices.ContainsFunc(c.Ports, func(port snapshot.Port) bool {
				return theft.LeadsToServer(p, h, netip.AddrPortFrom(ip, port.Number), dest)
			})
		})
	}
	return false
}

// rulesFor finds the texts of a NAT claim in a host's tables: the rules of its
// chain, or the elements of its map, that name the address.
func rulesFor(h *dataplane.Host, c claim.Claim, ip netip.Addr) []string {
	if h == nil || c.Kind != claimants.KernelNAT.Kind {
		return nil
	}
	table, where, _ := strings.Cut(c.Origin.Table, " ")
	texts := []string{ip.String() + "/", ip.String() + " ", ip.String() + `"`, c.Range.From.String() + "/", c.Range.From.String() + `"`}
	var out []string
	find := func(lines []string) {
		for _, l := range lines {
			if slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(l, t) }) && namesPort(l, c.Ports) {
				out = append(out, l)
			}
		}
	}
	for _, t := range h.Tables {
		if t.Name != table {
			continue
		}
		for _, chain := range t.Chains {
			if chain.Name == where {
				find(chain.Rules)
			}
		}
		for _, m := range t.Maps {
			if m.Name == where {
				find(m.Elements)
			}
		}
	}
	return out
}

func namesPort(text string, ports claim.Ports) bool {
	if len(ports) != 1 {
		return true
	}
	return strings.Contains(text, fmt.Sprint(ports[0].Number))
}

// takingServices lists the claims of Services that explain what is taken.
func takingServices(on []claim.Claim, taken []taking) []claim.Claim {
	var out []claim.Claim
	for _, s := range pick.InRole(on, claim.VIP|claim.ClusterIP) {
		for _, t := range taken {
			if slices.ContainsFunc(s.Ports, func(port snapshot.Port) bool { return slices.Contains(t.ports, port) }) {
				out = append(out, s)
				break
			}
		}
	}
	return out
}

func claimsOf(taken []taking) []claim.Claim {
	out := make([]claim.Claim, len(taken))
	for i, t := range taken {
		out[i] = t.Claim
	}
	return out
}

func servedBy(taken []taking) []string {
	var out []string
	for _, t := range taken {
		out = append(out, t.serves...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func portsOf(taken []taking) string {
	var ports claim.Ports
	for _, t := range taken {
		for _, port := range t.ports {
			if !slices.Contains(ports, port) {
				ports = append(ports, port)
			}
		}
	}
	return ports.String()
}

// ruleEvidence cites the first few rules and virtual servers.
func ruleEvidence(p *rule.Pass, taken []taking, ip netip.Addr) []string {
	const most = 4
	var out []string
	for _, t := range taken {
		at := t.Origin.Host + ", " + t.Origin.Table
		texts := rulesFor(p.Objects.Host(t.Origin.Host), t.Claim, ip)
		if t.Kind == claimants.KernelVirtualServer.Kind {
			texts = nil
			for _, v := range theft.ServersOf(p.Objects.Host(t.Origin.Host), ip) {
				if slices.Contains(t.Ports, snapshot.Port{Proto: v.Proto, Number: v.Port}) {
					texts = append(texts, fmt.Sprintf("%s to %s", netip.AddrPortFrom(ip, v.Port), theft.RealServers(v)))
				}
			}
		}
		for _, text := range texts {
			if len(out) < most && !slices.Contains(out, at+": "+text) {
				out = append(out, at+": "+text)
			}
		}
	}
	return out
}

func endpointEffects(taken []taking, owners []claim.Claim) []explain.Effect {
	from := pick.HostNames(claimsOf(taken))
	var effects []explain.Effect
	seen := map[snapshot.Port]bool{}
	for _, t := range taken {
		for _, port := range t.ports {
			if seen[port] {
				continue
			}
			seen[port] = true
			effects = append(effects, explain.Effect{From: from, To: []string{pick.HostOf(owners)}, Disposition: dataplane.DeliveredElsewhere,
				Flow: dataplane.Flow{Proto: port.Proto, Port: port.Number, Name: strings.Join(t.serves, ", ")}, Basis: "a rule of NAT, or an IPVS virtual server, comes before routing"})
		}
	}
	return effects
}

func endpointFix(p *rule.Pass, taken []taking, services []claim.Claim, ip netip.Addr) explain.Fix {
	hosts := pick.HostNames(claimsOf(taken))
	again := append(forgetEndpoint(p, taken, ip, hosts), explain.RestartProxy(p.Facts, hosts))
	if len(services) == 0 {
		f := explain.Fix{Text: "delete the rule where it is made"}
		for _, t := range taken {
			if t.Owner.Kind == cluster.ServiceKind.Kind {
				return explain.Fix{Text: fmt.Sprintf("the rules were made for %s: take the address or the port out of it; where it is gone already, kube-proxy did not learn of that", t.Owner),
					Steps: again}
			}
		}
		f.Steps = []explain.Step{{Where: explain.Names(hosts), Text: "find who makes it: the evidence names the chain", Command: command.Shell("iptables-save -t nat; nft list ruleset; ipvsadm -Ln")}}
		return f
	}
	f := explain.Fix{Text: "take the claim away; then make sure that every node has learned of it", Steps: fix.Removals(p, pick.InRole(services, claim.VIP))}
	f.Steps = append(f.Steps, again...)
	return f
}

// forgetEndpoint ends what keeps kube-proxy from the apiserver.
func forgetEndpoint(p *rule.Pass, taken []taking, ip netip.Addr, hosts []string) []explain.Step {
	for _, t := range taken {
		if slices.Contains(t.serves, "apiserver") && t.Owner.Kind == cluster.ServiceKind.Kind {
			return explain.ForgetRules(p.Facts, netip.AddrPortFrom(ip, explain.Target{Address: ip}.APIPort(p.Facts)), hosts)
		}
	}
	return nil
}
