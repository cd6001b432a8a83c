// SPDX-License-Identifier: Apache-2.0

// Package shield plans which addresses of other hosts a host passes over its local table
// for, before anything happens: those without which it is lost. Whatever a Service then
// claims, and whatever kube-proxy binds, the host goes on reaching them.
//
// Each has evidence that it is another host's own, and that the host needs it. A virtual
// address is never shielded without it: it must stay local on the host that holds it.
//
// It is pure: package watch keeps what is planned here in a kernel.
package shield

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"whohas/bypass"
	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/diagnose"
	"whohas/kubeproxy"
	"whohas/snapshot"
)

// Plan is which addresses to shield on a host. Nothing of it has been done.
type Plan struct {
	Host     string
	Shielded []Address       // sorted
	Left     []Address       // that are needed and not shielded, with the reason
	Own      []netip.Addr    // of Left those that were declared and are on this host now: a virtual address may leave
	Standing []bypass.Bypass // shields that stand
	Put      []bypass.Change // what --apply does
	Refused  string          // why no rule can be put; empty: it can
}

// Address is an address that a host needs.
type Address struct {
	IP       netip.Addr
	For      []string // what it needs it for: "apiserver"
	Evidence []string // that it needs it, and that it is another's
	Why      string   // why it is not shielded
}

// Make plans the shield of a host.
func Make(s diagnose.Seen) Plan {
	p := Plan{Host: s.Host.Name}
	m := planner{s}
	for _, a := range m.needed() {
		if a.Why = m.why(a); a.Why == "" {
			p.Shielded = append(p.Shielded, a)
			continue
		}
		p.Left = append(p.Left, a)
		if m.isOwn(a.IP) && slices.Contains(a.For, "declared") && !claimants.OwnByConfiguration(m.Host, a.IP) {
			p.Own = append(p.Own, a.IP)
		}
	}
	return p.For(s.Host, p.Addresses())
}

// Addresses are those that are shielded.
func (p Plan) Addresses() []netip.Addr {
	out := make([]netip.Addr, len(p.Shielded))
	for i, a := range p.Shielded {
		out[i] = a.IP
	}
	return out
}

// For plans the rules of a host for some addresses.
func (p Plan) For(h *dataplane.Host, ips []netip.Addr) Plan {
	var err error
	if p.Put, err = bypass.Put(h, bypass.Shield, ips...); err != nil {
		p.Refused = err.Error()
	}
	p.Standing = nil
	for _, b := range bypass.Of(h) {
		if b.Purpose == bypass.Shield {
			p.Standing = append(p.Standing, b)
		}
	}
	return p
}

type planner struct{ diagnose.Seen }

// needed lists the addresses that the host cannot do without, by evidence.
func (m planner) needed() []Address {
	byIP := map[netip.Addr]*Address{}
	for c := range m.View.In(claim.ControlPlane | claim.Reserved) {
		what := m.what(&c)
		if what == "" || !c.Range.IsSingle() {
			continue
		}
		a := byIP[c.Range.From]
		if a == nil {
			a = &Address{IP: c.Range.From}
			byIP[c.Range.From] = a
		}
		if !slices.Contains(a.For, what) {
			a.For = append(a.For, what)
		}
		a.cite(c)
	}
	out := make([]Address, 0, len(byIP))
	for _, a := range byIP {
		slices.Sort(a.For)
		for _, c := range m.hosts(a.IP) {
			a.cite(c)
		}
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b Address) int { return a.IP.Compare(b.IP) })
	return out
}

// what a claim says that the host needs an address for; empty: nothing.
func (m planner) what(c *claim.Claim) string {
	mine := c.Origin.Host == "" || c.Origin.Host == m.Host.Name
	switch {
	case !mine:
		return ""
	case c.Role == claim.ControlPlane:
		return "apiserver"
	case c.Kind == claimants.HostEtcd.Kind:
		return "etcd"
	case c.Kind == claimants.KernelGateway.Kind:
		return "gateway"
	case c.Kind == claimants.HostResolver.Kind:
		return "resolver"
	case c.Kind == claimants.HostTimeServer.Kind:
		return "ntp"
	case c.Kind == claimants.StorageServer.Kind:
		return "storage"
	case strings.HasPrefix(string(c.Kind), "declared."):
		return "declared"
	}
	return ""
}

const mostEvidence = 4

func (a *Address) cite(c claim.Claim) {
	text := strings.TrimSpace(fmt.Sprintf("%s %s", c.By, c.Origin.Field))
	if c.Origin.Host != "" {
		text = fmt.Sprintf("%s: %s", c.Origin.Host, c.Origin.Table)
	}
	if len(a.Evidence) < mostEvidence && !slices.Contains(a.Evidence, text) {
		a.Evidence = append(a.Evidence, text)
	}
}

// hosts are the claims by which an address is another Node's own.
func (m planner) hosts(ip netip.Addr) []claim.Claim {
	var out []claim.Claim
	for c := range m.View.On(ip) {
		if c.Role == claim.Host && c.Range.IsSingle() && c.Owner != cluster.NodeKind.Ref("", m.Host.Name) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, claim.Compare)
	return out
}

// why says why an address is not shielded. Passing over the local table takes an address
// from Pods and from everybody outside where it is a Service's.
func (m planner) why(a Address) string {
	own := slices.Contains(a.For, "declared") || slices.Contains(a.For, "etcd") || len(m.hosts(a.IP)) > 0
	switch {
	case m.isOwn(a.IP):
		return "it is this host's own"
	case a.IP.IsLoopback() || a.IP.IsLinkLocalUnicast() || a.IP.IsUnspecified():
		return "it is on no network"
	case own:
		return ""
	case slices.Contains(a.For, "apiserver"):
		return fmt.Sprintf("nothing here says that it is a host's own: a virtual address must stay local on the host that holds it (--owner %s says so)", a.IP)
	}
	return m.service(a.IP)
}

// isOwn reports whether the host has an address for itself, on whichever device, or will.
func (m planner) isOwn(ip netip.Addr) bool {
	return claimants.OwnByConfiguration(m.Host, ip) || slices.ContainsFunc(m.Host.Addresses, func(a dataplane.Address) bool {
		return !kubeproxy.IsDevice(a.Link) && a.Prefix.Addr().WithZone("") == ip
	})
}

// service says which Service or pool an address may be of. A resolver that is a Service
// behind a balancer is common.
func (m planner) service(ip netip.Addr) string {
	const ofServices = claim.VIP | claim.Request | claim.Pool | claim.ClusterIP | claim.ServiceRange
	for c := range m.View.On(ip) {
		if c.Role&ofServices != 0 {
			return fmt.Sprintf("it may be a Service's: %s %s", c.By, c.Origin.Field)
		}
	}
	if is, _ := claimants.IsClusterIP(m.Host, ip); is {
		return "it is a ClusterIP"
	}
	for _, kind := range serviceKinds() {
		if !snapshot.Complete(m.Snapshot.Coverage, kind) {
			return fmt.Sprintf("it may be a Service's: not all %s were read (--kubeconfig, or --owner %s)", kind.Source(), ip)
		}
	}
	return ""
}

// serviceKinds are the kinds that say which addresses are Services'.
func serviceKinds() []snapshot.Kind {
	kinds := []snapshot.Kind{cluster.ServiceKind}
	for _, c := range claimants.All() {
		if c.Role&(claim.Pool|claim.ServiceRange) != 0 && c.Of.Kind != "" && !slices.Contains(kinds, c.Of) {
			kinds = append(kinds, c.Of)
		}
	}
	return kinds
}
