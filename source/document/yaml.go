// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"whohas/snapshot"
	"whohas/source/document/plainyaml"

	"go.yaml.in/yaml/v3"
)

// maxAliased bounds the nodes that are reached through aliases: a few lines of
// aliases of aliases can stand for any number.
const maxAliased = 100_000

var errAliases = fmt.Errorf("aliases stand for more than %d nodes", maxAliased)

// yamlTree walks one YAML document.
type yamlTree struct {
	*decoder
	text    []byte
	base    int   // what is added to a node's line
	fixed   int   // the line of every node, if not 0
	starts  []int // of the text's lines; made when first needed
	through int   // aliases that lead to the node that is walked
	aliased int   // nodes that were reached through aliases
}

// yamlItem decodes a text that is one YAML document, or one item of a list.
func (d *decoder) yamlItem(i item) {
	if root, ok := d.plain(i); ok {
		if root != nil {
			d.walk(i, []*yaml.Node{root})
		}
		return
	}
	if !i.part && bytes.IndexByte(i.text, '&') < 0 && d.yamlParts(i) {
		return
	}
	if err := d.yamlTree(i); err != nil && (i.part || !d.yamlParts(i)) {
		d.broken(i, i.line+yamlFault(i.text, err), "yaml: "+yamlMessage(err))
	}
}

// yamlTree reads an item with the library. An error means that it does not parse and that
// nothing was delivered.
func (d *decoder) yamlTree(i item) error {
	roots, err := d.parseYAML(i.text)
	if err == nil {
		d.walk(i, roots)
	}
	return err
}

// plain reads an item that holds one object in plain YAML, and of it only what is kept. An
// item without one has no root. Items of a list are objects themselves: the library reads
// those.
func (d *decoder) plain(i item) (root *yaml.Node, ok bool) {
	own := plainHead(i.text)
	h := own
	if typed, _ := i.list.typed(); h.kind == "" || h.apiVersion == "" {
		h = typed.of(h)
	}
	group, _ := snapshot.SplitAPIVersion(h.apiVersion)
	_, fields, known := d.reading.Reads.Kind(group, h.kind)
	if !known {
		fields = ownWords
	}
	d.nodes.String = d.names.string
	root, ok = plainyaml.Read(&d.nodes, i.text, i.part, objectSieve(fields), fieldFilter.plainChild)
	if !ok || root == nil {
		return root, ok
	}
	found := head{kind: word(lookup(root, "kind")), apiVersion: word(lookup(root, "apiVersion"))}
	return root, found == own && lookup(root, "items") == nil
}

// ownWords are what every object says of itself.
var ownWords = fieldsOf("kind", "apiVersion")

// plainChild is child, but that an object's own words are kept, too.
func (s fieldFilter) plainChild(key string) (fieldFilter, bool) {
	if s.place == placeObject && (key == "kind" || key == "apiVersion") {
		return fieldFilter{fields: everything}, true
	}
	return s.child(key)
}

// plainHead looks for what an object says of itself, on the lines of plain YAML that are
// indented as the first is. Who reads the object sees whether it is so.
func plainHead(text []byte) (h head) {
	col := -1
	for len(text) > 0 && (h.kind == "" || h.apiVersion == "") {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			end = len(text) - 1
		}
		line := text[:end]
		text = text[end+1:]
		n := 0
		for n < len(line) && (line[n] == ' ' || line[n] == '-') {
			n++
		}
		if col < 0 && n < len(line) && line[n] != '#' {
			col = n
		}
		if n != col || n == len(line) {
			continue
		}
		key, value, _ := bytes.Cut(line[n:], []byte(":"))
		var into *string
		switch string(key) {
		case "kind":
			into = &h.kind
		case "apiVersion":
			into = &h.apiVersion
		default:
			continue
		}
		value, _, _ = bytes.Cut(value, []byte(" #"))
		*into = string(bytes.Trim(value, ` "'`))
	}
	return h
}

// walk delivers the objects of an item's documents.
func (d *decoder) walk(i item, roots []*yaml.Node) {
	t := yamlTree{decoder: d, text: i.text, base: i.line - 1}
	if i.part && t.untyped(roots, i) {
		return
	}
	for _, root := range roots {
		var err error
		if i.part && root.Kind == yaml.SequenceNode {
			err = t.elements(root, i.list, 0)
		} else {
			err = t.document(root, i.list, 0)
		}
		if err != nil {
			d.bad(t.lineOf(root), "yaml: "+err.Error())
		}
	}
}

// untyped reports whether an item must wait for the list to name its kind.
func (t *yamlTree) untyped(roots []*yaml.Node, i item) bool {
	if _, known := i.list.typed(); known || len(roots) != 1 || len(roots[0].Content) == 0 {
		return false
	}
	n := roots[0]
	if n.Kind == yaml.SequenceNode {
		n = n.Content[0]
	}
	if n.Kind != yaml.MappingNode || headOf(n).kind != "" {
		return false
	}
	i.list.postpone(i)
	return true
}

// maxNodes bounds what the parser makes of one text: a node takes some 200 bytes,
// and "1," is one.
const maxNodes = 1 << 18

var errNodes = fmt.Errorf("more than %d lines and commas in one document", maxNodes)

// marks is about how many nodes a text has, before it is parsed.
func marks(text []byte) int {
	n := 0
	for _, mark := range []string{"\n", ",", "[", "{", ": "} {
		n += bytes.Count(text, []byte(mark))
	}
	return n
}

// parseYAML gives the roots of a text's documents: one, as a rule.
func (d *decoder) parseYAML(text []byte) (roots []*yaml.Node, err error) {
	if marks(text) > maxNodes {
		return nil, errNodes
	}
	defer func() {
		if p := recover(); p != nil { // the parser's own fault
			roots, err = nil, fmt.Errorf("yaml: the parser fails: %v", p)
		}
	}()
	dec := yaml.NewDecoder(&cancellable{ctx: d.ctx, in: bytes.NewReader(withoutVersion(text))})
	for {
		var n yaml.Node
		if err := dec.Decode(&n); err != nil {
			if errors.Is(err, io.EOF) {
				return roots, nil
			}
			return nil, err
		}
		if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
			roots = append(roots, n.Content[0])
		}
	}
}

// withoutVersion makes a comment of a %YAML directive: the parser knows 1.1
// only, and nothing here depends on the version.
func withoutVersion(text []byte) []byte {
	if !bytes.HasPrefix(text, []byte("%")) {
		return text
	}
	text = bytes.Clone(text)
	for at := 0; bytes.HasPrefix(text[at:], []byte("%")); {
		if bytes.HasPrefix(text[at:], []byte("%YAML")) {
			text[at] = '#'
		}
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			break
		}
		at += end + 1
	}
	return text
}

// document delivers the object that a node is, or the objects.
func (t *yamlTree) document(n *yaml.Node, in *list, nesting int) error {
	before := t.through
	defer func() { t.through = before }()
	n, err := t.enter(n)
	switch {
	case err != nil:
		return err
	case n.Kind == yaml.SequenceNode:
		return t.elements(n, nil, nesting+1)
	case n.Kind == yaml.ScalarNode && isNull(n):
		return nil // an empty document
	case n.Kind != yaml.MappingNode:
		t.result.Strangers++
		return nil
	}
	if items := lookup(n, "items"); items != nil && (items.Kind == yaml.SequenceNode || items.Kind == yaml.ScalarNode && isNull(items)) {
		return t.items(n, items, nesting)
	}
	return t.object(n, in)
}

func (t *yamlTree) items(n, items *yaml.Node, nesting int) error {
	l := &list{object: true}
	h := headOf(n)
	l.learn(h)
	if h.next != "" {
		t.result.Continue = h.next
	}
	t.emptyList(l)
	if h.kind == "" && !anyKind(items) {
		t.result.Strangers++ // one document, which happens to have items
		return nil
	}
	return t.elements(items, l, nesting+1)
}

func anyKind(items *yaml.Node) bool {
	for _, n := range items.Content {
		if n = aliased(n); n.Kind == yaml.MappingNode && lookup(n, "kind") != nil {
			return true
		}
	}
	return false
}

func (t *yamlTree) elements(n *yaml.Node, in *list, nesting int) error {
	if nesting > maxNesting {
		t.bad(t.lineOf(n), tooNested)
		return nil
	}
	for _, c := range n.Content {
		if c.Kind == yaml.ScalarNode {
			if in != nil && t.lists(in.own) && !isNull(c) {
				t.bad(t.lineOf(c), noItem)
			}
			continue
		}
		if err := t.document(c, in, nesting); err != nil {
			return err
		}
	}
	return nil
}

func (t *yamlTree) object(n *yaml.Node, in *list) error {
	h := headOf(n)
	if h.kind != "" {
		in.name()
	}
	if typed, _ := in.typed(); h.kind == "" || h.apiVersion == "" {
		h = typed.of(h)
	}
	t.severalHeads(n)
	if items := lookup(n, "items"); items != nil && (items.Kind != yaml.ScalarNode || !isNull(items)) && t.lists(h) {
		t.bad(t.lineOf(items), noItems)
		return nil
	}
	k, ok := t.classify(h)
	if !ok {
		return nil
	}
	if t.reading.Reads.Some(k.kind) && !t.wantsNode(k, n) {
		return nil
	}
	root, err := t.tree(n, objectSieve(k.fields))
	if err != nil {
		t.result.Objects--
		t.bad(t.lineOf(n), "yaml: "+err.Error())
		return nil
	}
	t.deliver(k, root, t.lineOf(n))
	return nil
}

// wantsNode reads the name of an object of which only some are wanted.
func (t *yamlTree) wantsNode(k kept, n *yaml.Node) bool {
	meta := lookup(n, "metadata")
	if meta == nil {
		return false
	}
	return t.wants(k, textOf(lookup(meta, "namespace")), textOf(lookup(meta, "name")))
}

// severalHeads tells of a map that names its kind more than once: most often
// two objects with nothing between them.
func (t *yamlTree) severalHeads(n *yaml.Node) {
	first := 0
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; k.Kind == yaml.ScalarNode && k.Value == "kind" {
			if first > 0 {
				t.twice("kind", first, t.lineOf(k))
			}
			first = t.lineOf(k)
		}
	}
}
