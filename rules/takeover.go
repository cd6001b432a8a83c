// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/command"
	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// foreign lists the claims that are made on behalf of none of the subjects'
// owners: one owner in several fields is no conflict.
func foreign(subjects, others []claim.Claim) []claim.Claim {
	own := make(map[snapshot.Ref]bool, len(subjects))
	for _, s := range subjects {
		own[s.Owner] = true
	}
	return slices.DeleteFunc(others, func(o claim.Claim) bool { return own[o.Owner] })
}

// ofKind keeps the claims of some kinds.
func ofKind(claims []claim.Claim, kinds ...claim.Kind) []claim.Claim {
	return slices.DeleteFunc(slices.Clone(claims), func(c claim.Claim) bool { return !slices.Contains(kinds, c.Kind) })
}

// byKubeProxy keeps what kube-proxy itself programs.
func byKubeProxy(claims []claim.Claim) []claim.Claim {
	return slices.DeleteFunc(slices.Clone(claims), func(c claim.Claim) bool { return c.Agent == claimants.AgentOtherProxy })
}

// takenListener tells whether one of the claims takes a port on which the
// address's host itself listens.
func takenListener(p *rule.Pass, subjects []claim.Claim, node cluster.Node) bool {
	api := servesAPI(p)
	listeners := listenersOn(p.Others(claim.Listener))
	for _, s := range subjects {
		for _, port := range s.Ports {
			if explain.HostListener(port, node, api, p.Facts) != "" {
				return true
			}
			// A hostPort in the Service's own namespace is most likely the port of
			// the very Pods that the Service leads to, as an ingress controller's:
			// people name node addresses on purpose then.
			if l := listeners[port]; l.spaces.beside(snapshot.Ref{Namespace: s.By.Namespace}) || l.socket && !l.spaces.taken {
				return true
			}
		}
	}
	return false
}

// listeners are who listens on a port: namespaces whose Pods do, and a socket that a
// kernel shows, which may be such a Pod's.
type listeners struct {
	spaces holders
	socket bool
}

func listenersOn(claims []claim.Claim) map[snapshot.Port]listeners {
	on := map[snapshot.Port]listeners{}
	for _, c := range claims {
		for _, port := range c.Ports {
			l := on[port]
			if c.Kind == claimants.KernelListener.Kind {
				l.socket = true
			} else {
				l.spaces = l.spaces.and(snapshot.Ref{Namespace: c.By.Namespace})
			}
			on[port] = l
		}
	}
	return on
}

// servesAPI tells whether the apiserver is reached at the key's address.
func servesAPI(p *rule.Pass) bool {
	for range p.Others(claim.ControlPlane) {
		return true
	}
	return slices.ContainsFunc(p.Facts.APIServers, func(e cluster.Endpoint) bool { return p.Key.Range.Contains(e.IP) })
}

// target gathers what the explanation of a takeover needs.
func target(p *rule.Pass, subjects []claim.Claim, is string, loses ...string) explain.Target {
	t := explain.Target{Address: p.Key.Range.From, Is: is, Loses: loses, API: servesAPI(p)}
	t.Owner = hostOwner(p)
	held := stolen(p).held
	t.Seen, t.Listens = sights(held), listens(p)
	_, over := passedOver(p, held)
	t.Over = hostNames(over)
	if len(subjects) > 0 {
		t.Service = subjects[0].By.String()
	}
	seen := map[snapshot.Port]bool{}
	for _, s := range subjects {
		for _, port := range s.Ports {
			if !seen[port] {
				seen[port] = true
				t.Ports = append(t.Ports, port)
			}
		}
	}
	return t
}

// hostOwner is the node whose own the key's address is; of one that was not read, the
// name.
func hostOwner(p *rule.Pass) cluster.Node {
	hosts := p.Others(claim.Host)
	var named []string
	for _, h := range hosts {
		named = append(named, h.Owner.Name)
	}
	if n, ok := p.Facts.NodeOf(p.Key.Range.From, named); ok {
		return n
	}
	for _, h := range hosts {
		if h.Owner.Kind == cluster.NodeKind.Kind {
			return cluster.Node{Name: h.Owner.Name}
		}
	}
	return cluster.Node{}
}

// hostOf names the node behind an owner's claim, with its name alone.
func hostOf(owners []claim.Claim) string {
	for _, o := range owners {
		if o.Owner.Kind == cluster.NodeKind.Kind {
			return o.Owner.Name
		}
	}
	if len(owners) > 0 {
		return owners[0].Owner.String()
	}
	return "somebody else"
}

// nodeOrHost says what an owner is: a host whose kernel was read need be no Node of
// the cluster (lab dns-address).
func nodeOrHost(p *rule.Pass, owners []claim.Claim) string {
	isNode := func(o claim.Claim) bool {
		return o.By != claimants.HostRef(o.By.Name) || slices.ContainsFunc(p.Facts.Nodes, func(n cluster.Node) bool { return n.Name == o.By.Name })
	}
	if p.Facts.NodesComplete && !slices.ContainsFunc(owners, isNode) {
		return "host"
	}
	return "node"
}

// takeoverFix removes the claims and, where the nodes cannot learn of that, gives them
// their way to the apiserver until they have. Where the writer of a status is a controller,
// what it acts on comes first.
func takeoverFix(p *rule.Pass, subjects []claim.Claim, t explain.Target) explain.Fix {
	f := explain.Fix{Text: "take the claim away where the API is still reached; then make sure that every node has heard of it"}
	era := p.Facts.Behavior()
	cut := t.API && p.Facts.WithoutAddress(t.Address) != cluster.APIReached
	sealed, taken := cut && era.Binds, cut && t.TakesAPI(p.Facts)
	where := explain.Anywhere
	switch {
	case taken:
		where = explain.ByLoopback(p.Facts, t)
	case sealed && t.Owner.Name != "":
		where = t.Owner.Name + " (its own way to the apiserver does not leave the node)"
	}
	for _, step := range removals(p, subjects) {
		step.Where = where
		f.Steps = append(f.Steps, step)
	}
	var back []explain.Step
	if sealed {
		var put []explain.Step
		put, back = explain.PassOver(p.Objects.Host, others(p.Facts, t.Owner.Name), p.Key.Range.From, era.Device)
		f.Steps = append(f.Steps, put...)
	}
	if taken && !era.Binds {
		f.Steps = append(f.Steps, explain.ForgetRules(p.Facts, netip.AddrPortFrom(t.Address, t.APIPort(p.Facts)), others(p.Facts, t.Owner.Name))...)
	}
	if era.Binds && t.Address.IsValid() {
		f.Steps = append(f.Steps, explain.Step{
			Where: "each node", Text: "see that it is gone: this prints nothing",
			Command: command.Shell("ip -o addr show dev {} to {}", era.Device, t.Address.String()),
		})
	}
	f.Steps = append(f.Steps, back...)
	return f
}

func others(f *cluster.Facts, owner string) []string {
	var names []string
	for _, n := range f.Nodes {
		if n.Name != owner {
			names = append(names, n.Name)
		}
	}
	if len(names) == 0 {
		return []string{"the other nodes"}
	}
	return names
}

// removal is the step that takes one claim away; a claim of an object that is
// not known as a tree has none.
func removal(p *rule.Pass, c claim.Claim, where string) (explain.Step, bool) {
	for _, o := range p.Objects.Of(c.By) {
		if o.File == c.Origin.File {
			return explain.Removal(kindOf(c.By), o, c, where), true
		}
	}
	return explain.Step{}, false
}

// kindOf finds the declared kind of an object, for its resource name.
func kindOf(r snapshot.Ref) snapshot.Kind {
	for _, c := range claimants.All() {
		if c.Of.Kind == r.Kind && c.Of.Group == r.Group {
			return c.Of
		}
	}
	return snapshot.Kind{Group: r.Group, Kind: r.Kind}
}

// modeNotes says what had to be assumed of the proxy, and what surprises people.
func modeNotes(p *rule.Pass, t explain.Target) []explain.Link {
	era := p.Facts.Behavior()
	var notes []explain.Link
	if era.Assumed {
		text := "kube-proxy's version is not known: today's (1.27.3 and newer) is assumed"
		if p.Facts.Mode == "" {
			text = "no proxy configuration was found: ipvs, the worst case, is assumed (--proxy-mode tells it)"
		}
		notes = append(notes, explain.Link{Text: text})
	}
	if era.Binds && !era.OwnerBinds && t.Owner.Name != "" {
		notes = append(notes, explain.Link{
			Text:     fmt.Sprintf("%s itself does not bind the address: everything looks right there, look on the other nodes", t.Owner.Name),
			Evidence: []string{era.Source},
		})
	}
	at, over := passedOver(p, stolen(p).held)
	ruled := len(at) == 0 && len(over) > 0 // they hear of the change
	if era.Binds && t.API && !ruled && p.Facts.WithoutAddress(t.Address) != cluster.APIReached {
		notes = append(notes, explain.Link{
			Text:     "removing the claim alone does not heal a node whose way to the apiserver is this address",
			Evidence: []string{explain.LabSealed},
		})
	}
	return notes
}

// takeoverChain is the whole explanation of a takeover.
func takeoverChain(p *rule.Pass, subjects []claim.Claim, t explain.Target, cause string) explain.Chain {
	return explain.Chain{
		Cause:  explain.Link{Text: cause, Evidence: evidence(subjects)},
		Losses: explain.Takeover(t, p.Facts),
		Notes:  modeNotes(p, t),
		Fixes:  []explain.Fix{takeoverFix(p, subjects, t)},
	}
}

// evidence cites claims: object, field, file and line.
func evidence(claims []claim.Claim) []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range claims {
		text := c.By.String() + " " + c.Origin.Field
		if c.Origin.Host != "" {
			text = seenAt(c)
		}
		if c.Origin.File != "" {
			text += fmt.Sprintf(" (%s:%d)", c.Origin.File, c.Origin.Line)
		}
		if !seen[text] {
			seen[text] = true
			out = append(out, text)
		}
	}
	return out
}

// seenAt cites a kernel: an address is on a device, all else in a table.
func seenAt(c claim.Claim) string {
	in := "in"
	if _, _, route := claimants.LocalRoute(c); !route && strings.Contains(c.Text, "/") {
		in = "on"
	}
	return fmt.Sprintf("%s: %s %s %s", c.Origin.Host, cmp.Or(c.Text, c.Range.String()), in, c.Origin.Table)
}

// names lists who makes the claims, each once.
func names(claims []claim.Claim) string {
	var out []string
	seen := map[string]bool{}
	for _, c := range claims {
		if n := c.By.String(); !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return explain.Names(out)
}

// single tells whether the key is one unicast address.
func single(p *rule.Pass) (netip.Addr, bool) {
	return p.Key.Range.From, p.Key.Range.IsSingle()
}
