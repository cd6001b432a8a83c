// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"net/netip"
	"slices"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/command"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/theft"
	"whohas/snapshot"
)

// StolenAddress is the outage as the kernel shows it.
var StolenAddress = add(rule.Rule{
	ID:       "WH110",
	Name:     "stolen-address",
	Severity: rule.Critical,
	Outage:   rule.Held,
	Policy:   rule.Policy{None: "no write brings it: a host shows it"},
	Doc: rule.Doc{
		Problem: "A host delivers to itself an address that belongs to another: it is on " + kubeproxy.IPVSDevice + " or " + kubeproxy.RouterDevice + ", or in the local routing table, and a Node, the control plane, a tunnel, a gateway or a declaration has it. A warning where a routing rule leads past the local table for it, put by whohas repair, whohas shield or a person.",
		Effect:  "The host talks to itself where it means the owner, and drops what the owner sends as martian. If it is the apiserver's address, the host becomes NotReady, and its kube-proxy does not hear when the claim is taken away.",
		Why:     "kube-proxy puts every service address on " + kubeproxy.IPVSDevice + " and compares it with the addresses of its own host only. On the owner everything looks right; ping from the host says ok up to kube-proxy 1.25, because the host answers itself, and Destination Port Unreachable from 1.26 on.",
		Fix:     "On each host that holds the address, pass over the local table for it by a routing rule: the host reaches the owner at once, whatever kube-proxy does. Take the claim away. kube-proxy learns of that now, and takes the address off by itself; then take the rule back. Deleting the address instead is a race: kube-proxy puts it back before it has learned of the change.",
		Since:   "kube-proxy 1.11 (IPVS), every kube-router",
		Refs: []string{
			"https://github.com/kubernetes/kubernetes/issues/104679",
			"https://github.com/kubernetes/kubernetes/issues/75290",
			"https://github.com/kubernetes-sigs/kubespray/issues/5254",
		},
	},
	After:   []*rule.Rule{ExternalIPIsNode, LBIPIsNode, ClaimsControlPlane, ClaimsTunnelAddress, ClaimsReserved},
	Subject: claim.Observed,
	Against: claim.Host | claim.ControlPlane | claim.Tunnel | claim.Reserved,
	Check: func(p *rule.Pass) {
		t := theft.Stolen(p)
		if len(t.Held) == 0 {
			return
		}
		services := fix.TakenFor(p)
		hosts := explain.Names(pick.HostNames(t.Held))
		whose, _, _ := theft.OwnerText(p, t.Owners)
		f := rule.Finding{
			Severity: rule.Critical,
			Title:    fmt.Sprintf("%s %s, and %s %s it on %s", p.Key.Range, whose, hosts, theft.Verb(t.Held, "holds", "hold"), pick.DeviceOf(t.Held)),
		}
		if at, _ := theft.PassedOver(p, t.Held); len(at) == 0 {
			f.Severity = rule.Warning
			f.Title += fmt.Sprintf(", but %s over it by a routing rule", theft.Verb(t.Held, "passes", "pass"))
		}
		cause := fmt.Sprintf("%s of %s: %s, which %s", pick.DeviceOf(t.Held), hosts, p.Key.Range, whose)
		if len(services) > 0 {
			cause += "; " + pick.Names(services) + " claims it"
			f.Title += ", for " + pick.Names(services)
			f.Claimants = pick.ClaimantsOf(services, t.Owners, slices.Concat(t.Held, theft.Bearers(p)))
		} else {
			f.Claimants = pick.ClaimantsOf(t.Held, t.Owners, theft.Bearers(p))
		}
		f.Chain = stolenChain(p, t, services, cause)
		p.Report(f)
	},
})

func stolenChain(p *rule.Pass, t theft.Theft, services []claim.Claim, cause string) explain.Chain {
	_, is, loses := theft.OwnerText(p, t.Owners)
	goal := chain.Target(p, services, is, loses...)
	goal.Held = &explain.Hold{Device: pick.DeviceOf(t.Held), Proxy: kubeproxy.IsDevice(pick.DeviceOf(t.Held))}
	for _, name := range pick.HostNames(t.Held) {
		goal.Held.Filter = goal.Held.Filter || theft.Rejects(p.Objects.Host(name))
	}
	if len(services) == 0 {
		goal.Service, goal.Ports = "IPVS", serverPorts(p, t.Held)
	}
	knownByKernel(p, &goal, t.Owners)
	return explain.Chain{
		Cause:   explain.Link{Text: cause, Evidence: pick.Evidence(slices.Concat(t.Held[:min(len(t.Held), 4)], services))},
		Impacts: explain.Takeover(goal, p.Facts),
		Notes:   slices.Concat(unexplained(p, services, goal), theft.IpsetNotes(p, t.Held), theft.ServerNotes(p, t.Held)),
		Fixes:   []explain.Fix{stolenFix(p, t, services, goal)},
	}
}

func serverPorts(p *rule.Pass, held []claim.Claim) claim.Ports {
	var ports claim.Ports
	for _, name := range pick.HostNames(held) {
		for _, v := range theft.ServersOf(p.Objects.Host(name), p.Key.Range.From) {
			if port := (snapshot.Port{Proto: v.Proto, Number: v.Port}); !slices.Contains(ports, port) {
				ports = append(ports, port)
			}
		}
	}
	return ports
}

// knownByKernel fills in what the owner's own kernel shows where its Node was not
// read: that the address is the one it sends from, and that an apiserver listens.
func knownByKernel(p *rule.Pass, t *explain.Target, owners []claim.Claim) {
	for _, o := range owners {
		if o.Kind != claimants.KernelAddress.Kind || o.Owner.Name != t.Owner.Name {
			continue
		}
		if _, known := p.Facts.NodeWith(t.Address); !known {
			t.Owner.Internal, t.Owner.Addresses = []netip.Addr{t.Address}, []netip.Addr{t.Address}
		}
	}
	for port, process := range t.Listens {
		t.API = t.API || process == "kube-apiserver" && port.Proto == "TCP"
	}
}

// unexplained says why hosts hold what no object claims.
func unexplained(p *rule.Pass, services []claim.Claim, t explain.Target) []explain.Link {
	switch {
	case len(services) > 0 || !t.Held.Proxy:
		return nil
	case !snapshot.Complete(p.Coverage, cluster.ServiceKind):
		return []explain.Link{{Text: "not all Services were read: one of them may claim the address"}}
	case t.API && p.Facts.WithoutAddress(t.Address) != cluster.APIReached:
		return []explain.Link{{
			Text:     "no object claims the address any more, and that was not enough: kube-proxy on these hosts cannot learn of the change, because its way to the apiserver leads to this very address",
			Evidence: []string{explain.LabSealed},
		}}
	}
	return []explain.Link{{
		Text:     "no object claims the address: kube-proxy would take it off within 30 s if it heard; it does not run there, runs in another mode now, or does not reach the apiserver",
		Evidence: []string{"kubernetes pkg/proxy/apis/config/v1alpha1/defaults.go: ipvs.syncPeriod 30 s"},
	}}
}

// stolenFix is the order that works: first each host gets its way to the owner back, by a
// rule that no proxy undoes; then the claim goes, and kube-proxy, which learns of it now,
// takes the address off by itself (lab cure-by-rule-1.36). A local route is nobody's to put
// back.
func stolenFix(p *rule.Pass, t theft.Theft, services []claim.Claim, goal explain.Target) explain.Fix {
	if !goal.Held.Proxy {
		f := explain.Fix{Text: "the address must go, on every host that holds it", Steps: fix.Removals(p, pick.InRole(services, claim.VIP))}
		return explain.Fix{Text: f.Text, Steps: append(append(f.Steps, fix.TakeOff(t.Held, atOnce)...), explain.ForgetNeighbour(p.Key.Range.From))}
	}
	text := "first a routing rule on every host that holds it, then the claim; kube-proxy then takes the address off by itself"
	var more []explain.Step
	vips := pick.InRole(services, claim.VIP)
	switch {
	case len(services) > len(vips):
		more = append(more, explain.Step{Where: explain.Anywhere,
			Text: "a ClusterIP cannot be changed: delete the Service and create it again, and keep the range of ClusterIPs off the hosts' addresses"})
	case len(services) == 0 && !snapshot.Complete(p.Coverage, cluster.ServiceKind):
		more = append(more, explain.Step{Where: explain.Anywhere, Text: "see which Service claims the address, and take it out of that one",
			Command: command.Shell("kubectl get services -A -o wide | grep -F {}", p.Key.Range.String())})
	case len(services) == 0:
		text = "the claim is gone already: a routing rule on every host that holds it, and kube-proxy learns of that, and takes the address off by itself"
	}
	return fix.PassOverFix(p, text, pick.HostNames(t.Held), goal.Held.Device, append(more, fix.TakeOff(t.Held, byItself)...))
}

// What takeOff says.
const (
	atOnce   = "take %s off %s"
	byItself = "see that %s is off %s within a minute; if it stays, kube-proxy does not work there: take it off"
)
