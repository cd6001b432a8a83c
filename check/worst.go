// SPDX-License-Identifier: Apache-2.0

package check

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"whohas/cluster"
	"whohas/rule"
	"whohas/snapshot"
)

// union is what a base shows of a cluster, with all that is worse in what a change
// shows: the word of each counts where it makes a finding more severe. What the change
// has milder does not count, and is kept in milder.
type union struct {
	base   *cluster.Facts
	facts  cluster.Facts
	milder []rule.Weakened
}

// worst joins a base's facts with those of a change, which are several where it
// names several proxy modes.
func worst(base *cluster.Facts, change []*cluster.Facts) (*cluster.Facts, []rule.Weakened) {
	u := union{base: base, facts: *base}
	u.facts.Conclusions = slices.Clone(base.Conclusions)
	for _, g := range change {
		u.proxy(g)
	}
	g := change[0] // they differ in the proxy's mode alone
	u.externalIPs(g)
	u.serviceLB(g)
	u.cni(g)
	u.nodes(g)
	u.apiServers(g)
	u.announcers(g)
	u.subnets(g)
	slices.SortStableFunc(u.facts.Conclusions, func(a, b cluster.Conclusion) int { return cmp.Compare(a.Subject, b.Subject) })
	return &u.facts, u.milder
}

// Subjects of conclusions, as cluster.Infer names them.
const (
	aboutVersion     = "kube-proxy version"
	aboutExternalIPs = "externalIPs"
	aboutCNI         = "cni"
	aboutAPIServer   = "apiserver"
	aboutWho         = "distribution"
)

// proxy takes the mode and version under which addresses are bound.
func (u *union) proxy(g *cluster.Facts) {
	binds := g.Behavior().Binds
	switch {
	case binds && !u.facts.Behavior().Binds:
		u.facts.Mode, u.facts.ModeFrom, u.facts.KubeRouter = g.Mode, g.ModeFrom, g.KubeRouter
		u.facts.Version, u.facts.VersionFrom = g.Version, g.VersionFrom
		u.take(g, cluster.ModeSubject, aboutVersion)
	case binds || !u.base.Behavior().Binds:
	case u.base.Mode != g.Mode:
		u.lost(g, cluster.ModeSubject, u.base.Mode.String(), g.Mode.String())
	default:
		u.lost(g, aboutVersion, u.base.Version.String(), g.Version.String())
	}
}

func (u *union) externalIPs(g *cluster.Facts) {
	if g.ExternalIPsOff && !u.base.ExternalIPsOff {
		u.lost(g, aboutExternalIPs, "on", "off")
	}
	u.facts.ExternalIPsOff = u.base.ExternalIPsOff && g.ExternalIPsOff
	if !u.facts.ExternalIPsOff {
		u.drop(aboutExternalIPs)
	}
}

// serviceLB: where it runs, a node's address as a Service's is no fault.
func (u *union) serviceLB(g *cluster.Facts) {
	if g.ServiceLB && !u.base.ServiceLB {
		u.lost(g, aboutWho, cmp.Or(u.base.Distribution, "unknown"), g.Distribution+", which runs ServiceLB")
	}
	u.facts.ServiceLB = u.base.ServiceLB && g.ServiceLB
}

func (u *union) cni(g *cluster.Facts) {
	if u.base.CNI.BGP && !g.CNI.BGP {
		u.lost(g, aboutCNI, u.base.CNI.Name+" over bgp", cmp.Or(g.CNI.Name, "unknown"))
	}
	if u.base.CNI.Name == "" && g.CNI.Name != "" {
		bgp := u.base.CNI.BGP
		u.facts.CNI = g.CNI
		u.facts.CNI.BGP = bgp || g.CNI.BGP
		u.take(g, aboutCNI)
	}
	u.facts.CNI.BGP = u.facts.CNI.BGP || g.CNI.BGP
}

// nodes has each Node with all addresses; a Node that the base does not know to be
// the only one is not the only one.
func (u *union) nodes(g *cluster.Facts) {
	u.facts.NodesComplete = u.base.NodesComplete && g.NodesComplete
	byName := map[string]cluster.Node{}
	for _, n := range g.Nodes {
		byName[n.Name] = n
	}
	var all []cluster.Node
	for _, n := range u.base.Nodes {
		if is, ok := byName[n.Name]; ok {
			if n.ControlPlane && !is.ControlPlane {
				u.milder = append(u.milder, rule.Weakened{By: cluster.NodeKind.Ref("", n.Name), What: "metadata.labels", Was: "control plane"})
			}
			n.ControlPlane = n.ControlPlane || is.ControlPlane
			n.Addresses, n.Internal = with(n.Addresses, is.Addresses), with(n.Internal, is.Internal)
			delete(byName, n.Name)
		}
		all = append(all, n)
	}
	for _, n := range g.Nodes {
		if _, added := byName[n.Name]; added {
			all = append(all, n)
		}
	}
	slices.SortStableFunc(all, func(a, b cluster.Node) int { return strings.Compare(a.Name, b.Name) })
	u.facts = *u.facts.WithNodes(all)
}

// apiServers has all ways to the apiserver. The addresses among them are claims as
// well; of a name only this tells that it has gone.
func (u *union) apiServers(g *cluster.Facts) {
	for _, e := range u.base.APIServers {
		if e.Host != "" && !slices.ContainsFunc(g.APIServers, func(o cluster.Endpoint) bool { return o.Host == e.Host && o.Port == e.Port }) {
			u.milder = append(u.milder, rule.Weakened{By: refOf(e.From), What: aboutAPIServer, Was: e.String(), Is: endpoints(g.APIServers)})
		}
	}
	for _, e := range g.APIServers {
		if !slices.ContainsFunc(u.facts.APIServers, func(o cluster.Endpoint) bool { return o.String() == e.String() }) {
			u.facts.APIServers = append(slices.Clip(u.facts.APIServers), e)
			u.facts.Conclusions = append(u.facts.Conclusions, cluster.Conclusion{Subject: aboutAPIServer, Value: e.String(), From: e.From})
		}
	}
	u.facts.APIBackends = with(u.base.APIBackends, g.APIBackends)
}

func endpoints(list []cluster.Endpoint) string {
	var texts []string
	for _, e := range list {
		texts = append(texts, e.String())
	}
	return strings.Join(texts, ", ")
}

func (u *union) announcers(g *cluster.Facts) {
	same := func(list []cluster.Announcer, a cluster.Announcer) bool {
		return slices.ContainsFunc(list, func(o cluster.Announcer) bool { return reflect.DeepEqual(o, a) })
	}
	pools := func(list []cluster.Announcer, r snapshot.Ref) string {
		for _, a := range list {
			switch {
			case a.Ref == r && a.Pools == nil:
				return "all pools of " + a.Agent
			case a.Ref == r:
				return "pools " + strings.Join(a.Pools, ", ")
			}
		}
		return ""
	}
	for _, a := range u.base.L2 {
		if !same(g.L2, a) {
			u.milder = append(u.milder, rule.Weakened{By: a.Ref, What: "announced by ARP and NDP", Was: pools(u.base.L2, a.Ref), Is: pools(g.L2, a.Ref)})
		}
	}
	for _, a := range g.L2 {
		if !same(u.facts.L2, a) {
			u.facts.L2 = append(slices.Clip(u.facts.L2), a)
		}
	}
}

func (u *union) subnets(g *cluster.Facts) {
	for _, p := range g.Subnets {
		if !slices.Contains(u.facts.Subnets, p) {
			u.facts.Subnets = append(slices.Clip(u.facts.Subnets), p)
		}
	}
	slices.SortFunc(u.facts.Subnets, netip.Prefix.Compare)
}

// with adds what is not yet in a list, which is not changed.
func with(list, more []netip.Addr) []netip.Addr {
	list = slices.Clip(list)
	for _, ip := range more {
		if !slices.Contains(list, ip) {
			list = append(list, ip)
		}
	}
	return list
}

// take replaces conclusions by those of a change.
func (u *union) take(g *cluster.Facts, subjects ...string) {
	u.drop(subjects...)
	for _, c := range g.Conclusions {
		if slices.Contains(subjects, c.Subject) {
			u.facts.Conclusions = append(u.facts.Conclusions, c)
		}
	}
}

func (u *union) drop(subjects ...string) {
	u.facts.Conclusions = slices.DeleteFunc(u.facts.Conclusions, func(c cluster.Conclusion) bool { return slices.Contains(subjects, c.Subject) })
}

// lost notes a conclusion that a change makes milder.
func (u *union) lost(g *cluster.Facts, subject, was, is string) {
	about := func(f *cluster.Facts) (found cluster.Conclusion) {
		for _, c := range f.Conclusions {
			if c.Subject == subject {
				return c
			}
		}
		return found
	}
	before, now := about(u.base), about(g)
	u.milder = append(u.milder, rule.Weakened{
		By: refOf(now.From), What: subject, Was: was, Is: is, From: before.From, Base: before.Origin, Change: now.Origin,
	})
}

// refOf is the object that a conclusion was drawn from, by its text (Ref.String).
func refOf(text string) snapshot.Ref {
	kind, name, ok := strings.Cut(text, " ")
	if !ok || strings.Contains(name, " ") {
		return snapshot.Ref{}
	}
	r := snapshot.Ref{Kind: kind, Name: name}
	if namespace, rest, ok := strings.Cut(name, "/"); ok {
		r.Namespace, r.Name = namespace, rest
	}
	return r
}
