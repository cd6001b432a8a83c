// SPDX-License-Identifier: Apache-2.0

package document

import (
	"fmt"
	"slices"
	"strings"

	"whohas/snapshot"
)

// embedded is what is kept of a string that holds documents: a map, as if it
// stood in place of the string. at is the line of the string, line that of its
// first document's first line; fixed says that all nodes stand there.
func (d *decoder) embedded(text string, s fieldFilter, at, line int, fixed bool) snapshot.Value {
	empty := snapshot.Value{Kind: snapshot.String, Line: int32(at)}
	inner := fieldFilter{fields: s.fields, place: placeText}
	if v, ok := d.embeddedJSON(text, inner, line, fixed); ok {
		return v
	}
	t := yamlTree{decoder: d, text: []byte(text), base: line - 1}
	if fixed {
		t.fixed = line
	}
	all, err := t.documents(inner)
	if err != nil {
		if !fixed {
			at = line + yamlFault(t.text, err)
		}
		d.embeddedFault(text, s, at, fixed, err)
		return empty
	}
	switch {
	case all.Kind == snapshot.Map, all.Kind == snapshot.List:
		return all
	case all.Kind > snapshot.Null && !snapshot.Unresolved(strings.TrimSpace(text)):
		d.result.Odd++
		d.partial(at, fmt.Sprintf("%s: the text holds no map and no list", s.fields.Path()))
	}
	return empty
}

// embeddedJSON reads a string that holds one JSON object.
func (d *decoder) embeddedJSON(text string, s fieldFilter, line int, fixed bool) (snapshot.Value, bool) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return snapshot.Value{}, false
	}
	inner := newDecoder(d.ctx, d.reading)
	defer inner.names.free()
	inner.holding = true
	t := jsonTree{decoder: inner, text: []byte(text), line: line, fixed: fixed}
	v, err := t.object(s)
	if err != nil {
		return v, false // YAML in brackets, perhaps
	}
	for _, c := range inner.held {
		d.tell(c)
	}
	return v, true
}

// documents joins what is kept of a text's documents.
func (t *yamlTree) documents(s fieldFilter) (all snapshot.Value, err error) {
	roots, err := t.parseYAML(t.text)
	if err != nil {
		return all, err
	}
	for _, root := range roots {
		v, err := t.tree(root, s)
		if err != nil {
			return all, err
		}
		switch {
		case v.Kind == snapshot.Map:
			all = merge(all, v)
		case v.Kind > snapshot.Null && (len(roots) == 1 || all.Kind <= snapshot.Null):
			all = v
		}
	}
	return all, nil
}

// embeddedFault tells of a text that does not parse. Where all its lines are one of
// the file's, the line in the text is told, too.
func (d *decoder) embeddedFault(text string, s fieldFilter, line int, fixed bool, err error) {
	detail := fmt.Sprintf("%s: yaml in a string: ", s.fields.Path())
	if isTemplate([]byte(text)) {
		d.tell(snapshot.Coverage{Status: snapshot.StatusPartial, Line: line, Detail: detail + "template, not rendered"})
		return
	}
	if fixed {
		detail += fmt.Sprintf("line %d of it: ", yamlFault([]byte(text), err)+1)
	}
	d.result.Odd++
	d.partial(line, detail+yamlMessage(err))
}

// merge joins the maps of several documents: components that are configured by
// one file each read the document that is theirs.
func merge(a, b snapshot.Value) snapshot.Value {
	if a.Kind != snapshot.Map || b.Kind != snapshot.Map {
		return b
	}
	for i, key := range b.Keys() {
		if j := slices.Index(a.Keys(), key); j >= 0 {
			a.Items[j] = merge(a.Items[j], b.Items[i])
			continue
		}
		a.Keyset, a.Items = snapshot.KeysetOf(append(a.Keys(), strings.Clone(key))...), append(a.Items, b.Items[i])
	}
	return a
}
