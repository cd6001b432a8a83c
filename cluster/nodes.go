// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net/netip"
	"slices"
)

// nodeIndex finds Nodes among thousands. It is never changed.
type nodeIndex struct {
	names []string // as the Nodes are
	at    map[netip.Addr][]int
}

func indexOf(nodes []Node) *nodeIndex {
	x := &nodeIndex{names: make([]string, len(nodes)), at: make(map[netip.Addr][]int, len(nodes))}
	for i := range nodes {
		x.names[i] = nodes[i].Name
		for _, ip := range nodes[i].Addresses {
			x.at[ip] = append(x.at[ip], i)
		}
	}
	return x
}

// WithNodes are the facts with other Nodes, which are sorted by name.
func (f *Facts) WithNodes(nodes []Node) *Facts {
	g := *f
	g.Nodes, g.index = nodes, indexOf(nodes)
	return &g
}

// having lists the Nodes that have an address.
func (f *Facts) having(ip netip.Addr) []int {
	if f.index != nil {
		return f.index.at[ip]
	}
	return f.where(func(n *Node) bool { return slices.Contains(n.Addresses, ip) })
}

// called lists the Nodes with some names.
func (f *Facts) called(names []string) []int {
	if len(names) == 0 {
		return nil
	}
	if f.index == nil {
		return f.where(func(n *Node) bool { return slices.Contains(names, n.Name) })
	}
	var out []int
	for _, name := range names {
		if i, ok := slices.BinarySearch(f.index.names, name); ok {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (f *Facts) where(is func(*Node) bool) []int {
	var out []int
	for i := range f.Nodes {
		if is(&f.Nodes[i]) {
			out = append(out, i)
		}
	}
	return out
}

// OtherNodes are the names of all Nodes but one. The caller may keep and change them.
func (f *Facts) OtherNodes(but string) []string {
	x := f.index
	if x == nil {
		x = indexOf(f.Nodes)
	}
	if i, ok := slices.BinarySearch(x.names, but); ok {
		return slices.Concat(x.names[:i], x.names[i+1:])
	}
	return slices.Clone(x.names)
}
