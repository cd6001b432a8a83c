// SPDX-License-Identifier: Apache-2.0

package document

import (
	"whohas/snapshot"

	"go.yaml.in/yaml/v3"
)

// tree builds the tree of what is kept below a node.
func (t *yamlTree) tree(n *yaml.Node, s fieldFilter) (snapshot.Value, error) {
	m := t.stack.open()
	v, err := t.value(n, s, 0)
	if err != nil {
		m.drop()
	}
	return v, err
}

func (t *yamlTree) lineOf(n *yaml.Node) int {
	if t.fixed > 0 {
		return t.fixed
	}
	return t.base + n.Line
}

// enter follows an alias, and counts the nodes that aliases lead to. The caller
// puts t.through back when it is done with the node.
func (t *yamlTree) enter(n *yaml.Node) (*yaml.Node, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
		t.through++
	}
	if t.through > 0 {
		if t.aliased++; t.aliased > maxAliased {
			return nil, errAliases
		}
	}
	if t.through > maxDepth {
		return nil, errTooDeep
	}
	return n, nil
}

func (t *yamlTree) value(n *yaml.Node, s fieldFilter, depth int) (snapshot.Value, error) {
	if depth > maxDepth {
		return snapshot.Value{}, errTooDeep
	}
	if t.stack.full() {
		return snapshot.Value{}, errTooMany
	}
	before := t.through
	defer func() { t.through = before }()
	n, err := t.enter(n)
	if err != nil {
		return snapshot.Value{}, err
	}
	switch n.Kind {
	case yaml.MappingNode:
		if text, ok := t.placeholder(n); ok {
			return s.keepScalar(snapshot.Value{Kind: snapshot.String, Line: int32(t.lineOf(n)), Text: text}), nil
		}
		return t.mapping(n, s, depth)
	case yaml.SequenceNode:
		return t.list(n, s, depth)
	}
	return t.scalar(n, s), nil
}

func (t *yamlTree) mapping(n *yaml.Node, s fieldFilter, depth int) (snapshot.Value, error) {
	m := t.stack.open()
	seen := mapState{}
	if err := t.members(&m, n, s, depth, &seen); err != nil {
		return snapshot.Value{}, err
	}
	return t.keepMap(s, m.mapping(t.lineOf(n)), seen.dropped, seen.owns), nil
}

// mapState is what is known of a map while its members are read.
type mapState struct {
	dropped, owns bool
	merged        bool // the members come from a merge key: those that are set stay
}

// members adds a node's members, its own before those that it merges.
func (t *yamlTree) members(m *members, n *yaml.Node, s fieldFilter, depth int, seen *mapState) error {
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isMerge(n.Content[i]) {
			merges = append(merges, n.Content[i+1])
			continue
		}
		if err := t.member(m, n.Content[i], n.Content[i+1], s, depth, seen); err != nil {
			return err
		}
	}
	for _, from := range merges {
		if err := t.merge(m, from, s, depth+1, seen); err != nil {
			return err
		}
	}
	return nil
}

func (t *yamlTree) merge(m *members, from *yaml.Node, s fieldFilter, depth int, seen *mapState) error {
	if depth > maxDepth {
		return errTooDeep
	}
	before := t.through
	defer func() { t.through = before }()
	t.through++ // who merges maps that merge maps makes as many as with aliases
	from, err := t.enter(from)
	if err != nil {
		return err
	}
	switch from.Kind {
	case yaml.SequenceNode:
		for _, c := range from.Content {
			if err := t.merge(m, c, s, depth+1, seen); err != nil {
				return err
			}
		}
	case yaml.MappingNode:
		own := seen.merged
		seen.merged = true
		err = t.members(m, from, s, depth, seen)
		seen.merged = own
	}
	return err
}

func (t *yamlTree) member(m *members, k, n *yaml.Node, s fieldFilter, depth int, seen *mapState) error {
	key, ok := keyText(aliased(k))
	if !ok {
		return nil
	}
	c, ok := s.child(key)
	if !ok {
		seen.dropped, seen.owns = true, seen.owns || ownsItem(key)
		return nil
	}
	if seen.merged && m.find(key) >= 0 {
		return nil
	}
	v, err := t.value(n, c, depth+1)
	if err != nil {
		return err
	}
	if v.Kind == snapshot.Absent {
		seen.dropped = true
		return nil
	}
	t.set(m, key, t.lineOf(k), v)
	return nil
}

func (t *yamlTree) list(n *yaml.Node, s fieldFilter, depth int) (snapshot.Value, error) {
	m := t.stack.open()
	for _, c := range n.Content {
		v, err := t.value(c, s, depth+1)
		if err != nil {
			return snapshot.Value{}, err
		}
		m.push(v)
	}
	return t.keepList(s, m.list(t.lineOf(n))), nil
}

func (t *yamlTree) scalar(n *yaml.Node, s fieldFilter) snapshot.Value {
	kind, text := scalarOf(n)
	v := snapshot.Value{Kind: kind, Line: int32(t.lineOf(n)), Text: text}
	if kind == snapshot.String && s.embeds() {
		line, fixed := int(v.Line), true
		if n.Style&yaml.LiteralStyle != 0 && t.fixed == 0 {
			line, fixed = line+1, false
		}
		return t.embedded(text, s, int(v.Line), line, fixed)
	}
	return s.keepScalar(v)
}
