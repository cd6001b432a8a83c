// SPDX-License-Identifier: Apache-2.0

package pick

import (
	"cmp"
	"slices"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/explain"
	"whohas/rule"
)

// HostNames lists the hosts that claims were seen on, each once, sorted.
func HostNames(held []claim.Claim) []string {
	var out []string
	for _, h := range held {
		out = append(out, h.Origin.Host)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// DeviceOf is the device on which hosts hold an address.
func DeviceOf(held []claim.Claim) string {
	for _, h := range held {
		if h.Kind == claimants.KernelServiceAddress.Kind {
			return h.Origin.Table
		}
	}
	return cmp.Or(held[0].Origin.Table, "lo")
}

// HostOwner is the node whose own the key's address is; of one that was not read, the
// name.
func HostOwner(p *rule.Pass) cluster.Node {
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

// HostOf names the node behind an owner's claim, with its name alone.
func HostOf(owners []claim.Claim) string {
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

// NodeOrHost says what an owner is: a host whose kernel was read need be no Node of
// the cluster (lab dns-address).
func NodeOrHost(p *rule.Pass, owners []claim.Claim) string {
	isNode := func(o claim.Claim) bool {
		return o.By != claimants.HostRef(o.By.Name) || slices.ContainsFunc(p.Facts.Nodes, func(n cluster.Node) bool { return n.Name == o.By.Name })
	}
	if p.Facts.NodesComplete && !slices.ContainsFunc(owners, isNode) {
		return "host"
	}
	return "node"
}

// NodeNames lists on whose behalf the claims stand, by bare name.
func NodeNames(owners []claim.Claim) string {
	var out []string
	seen := map[string]bool{}
	for _, o := range owners {
		if !seen[o.Owner.Name] {
			seen[o.Owner.Name] = true
			out = append(out, o.Owner.Name)
		}
	}
	return explain.Names(out)
}
