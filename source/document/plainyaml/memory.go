// SPDX-License-Identifier: Apache-2.0

package plainyaml

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Memory is what the nodes of one tree after another are made in. The zero value is ready.
// It is for one goroutine.
type Memory struct {
	// String makes the string of a text, or finds an equal one; nil: it is made.
	String func([]byte) string

	nodes [][]yaml.Node // in slabs, which stay where they are
	slab  int
	made  int
	open  []*yaml.Node // the children of the maps and lists that are open
	lists []*yaml.Node // those of the ones that are closed
}

const slabSize = 64

// forget lets the nodes of the last tree be made again.
func (m *Memory) forget() {
	if m.made > 1<<14 { // of a giant
		*m = Memory{String: m.String}
	}
	m.slab, m.made, m.open, m.lists = 0, 0, m.open[:0], m.lists[:0]
}

func (m *Memory) string(text []byte) string {
	if m.String == nil {
		return string(text)
	}
	return m.String(text)
}

// node makes one. A node that was one of the last tree's is cleared.
func (m *Memory) node(kind yaml.Kind, line int) *yaml.Node {
	at := m.made % slabSize
	if at == 0 {
		if m.slab = m.made / slabSize; m.slab == len(m.nodes) {
			m.nodes = append(m.nodes, make([]yaml.Node, slabSize))
		}
	}
	m.made++
	n := &m.nodes[m.slab][at]
	*n = yaml.Node{Kind: kind, Line: line}
	return n
}

// close gives a map or list the children that were opened since from.
func (m *Memory) close(n *yaml.Node, from int) *yaml.Node {
	if children := m.open[from:]; len(children) > 0 {
		at := len(m.lists)
		m.lists = append(m.lists, children...) // where it grows, the old ones stay with who has them
		n.Content = slices.Clip(m.lists[at:])
	}
	m.open = m.open[:from]
	return n
}
