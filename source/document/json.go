// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"whohas/snapshot"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"
)

// jsonLimits are what the API server's decoder lets pass.
var jsonLimits = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

var errTooDeep = fmt.Errorf("nested deeper than %d", maxDepth)

// jsonTree walks one JSON object.
type jsonTree struct {
	*decoder
	text    []byte
	counted int // the line ends before it are in line
	line    int
	fixed   bool // every token counts as on that line
}

// hasItems reports whether a list that was not taken apart has items all the same: not
// as an array, or under a name with escapes in it.
func hasItems(text []byte) bool {
	var l struct {
		Items json.RawMessage `json:"items"`
	}
	return json.Unmarshal(text, &l) != nil || len(l.Items) > 0 && string(l.Items) != "null"
}

// jsonItem decodes a text that should hold one JSON object. What nobody reads is
// not looked at behind its kind: most of a dump is that.
func (d *decoder) jsonItem(i item) {
	h, err := d.jsonHead(i.text)
	if err != nil {
		d.notJSON(i, err)
		return
	}
	if h, err = d.jsonLastHead(i, h); err != nil {
		d.notJSON(i, err)
		return
	}
	if h.kind != "" {
		i.list.name()
	}
	if h.kind == "" || h.apiVersion == "" {
		typed, known := i.list.typed()
		if !known {
			i.list.postpone(i)
			return
		}
		h = typed.of(h)
	}
	if d.lists(h) && hasItems(i.text) {
		d.bad(i.line, noItems)
		return
	}
	k, ok := d.classify(h)
	if !ok {
		return
	}
	if d.reading.Reads.Some(k.kind) && !d.jsonWants(k, i.text) {
		return
	}
	t := jsonTree{decoder: d, text: i.text, line: i.line}
	root, err := t.object(objectSieve(k.fields))
	if err != nil {
		d.result.Objects--
		if errors.Is(err, errTooDeep) || errors.Is(err, errTooMany) {
			d.bad(i.line, "json: "+err.Error())
			return
		}
		d.notJSON(i, err)
		return
	}
	d.deliver(k, root, i.line)
}

// of fills in what an item of a typed list does not say of itself.
func (h head) of(own head) head {
	if own.kind == "" || own.kind == h.kind {
		return head{kind: h.kind, apiVersion: h.apiVersion}
	}
	return own
}

// notJSON takes a text that is no JSON for YAML in brackets, as kubectl does,
// before it calls it bad.
func (d *decoder) notJSON(i item, err error) {
	i.part = true
	if !d.single && len(i.text) <= bigItem && d.yamlTree(i) == nil {
		return
	}
	line, detail := jsonFault(err, i)
	d.broken(i, line, "json: "+detail)
}

// jsonFault gives the line of an error and its text without places: they count
// from the object's beginning, which says nothing to the reader of the file.
func jsonFault(err error, i item) (line int, detail string) {
	line, detail = i.line, err.Error()
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		at := min(max(syntax.ByteOffset, 0), int64(len(i.text)))
		line += bytes.Count(i.text[:at], newline)
		detail = syntax.Err.Error()
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		detail = "unexpected end of text"
	}
	return line, strings.TrimPrefix(detail, "jsontext: ")
}

func (d *decoder) openJSON(text []byte) *jsontext.Decoder {
	d.input = *bytes.NewBuffer(text)
	if d.json == nil {
		d.json = jsontext.NewDecoder(&d.input, jsonLimits...)
	} else {
		d.json.Reset(&d.input, jsonLimits...)
	}
	return d.json
}

// jsonHead reads what kind of object a text holds, and no further.
func (d *decoder) jsonHead(text []byte) (head, error) {
	h := head{}
	err := d.jsonMembers(text, func(key string) (bool, error) {
		switch key {
		case "kind":
			return d.jsonWord(&h.kind)
		case "apiVersion":
			return d.jsonWord(&h.apiVersion)
		}
		return false, nil
	}, func() bool { return h.kind != "" && h.apiVersion != "" })
	return h, err
}

// jsonLastHead is the head of an object that may say twice what it is: the last one
// counts, as in the apiserver's decoder, and that there are two is told. Else a second
// kind would hide an object from whoever reads the first alone. What an apiserver
// itself wrote is not looked through.
func (d *decoder) jsonLastHead(i item, h head) (head, error) {
	if d.reading.File == "" || !mayRepeat(i.text) {
		return h, nil
	}
	seen := map[string]bool{}
	err := d.jsonMembers(i.text, func(key string) (bool, error) {
		if key != "kind" && key != "apiVersion" {
			return false, nil
		}
		if seen[key] {
			line := i.line + bytes.Count(i.text[:d.json.InputOffset()], newline)
			d.partial(line, fmt.Sprintf("key %q twice: the last one counts", key))
		}
		seen[key] = true
		if key == "kind" {
			return d.jsonWord(&h.kind)
		}
		return d.jsonWord(&h.apiVersion)
	}, func() bool { return false })
	return h, err
}

// mayRepeat reports whether a key of an object's head may stand twice in a text, in
// quotes or in escapes.
func mayRepeat(text []byte) bool {
	return bytes.Count(text, []byte(`"kind"`)) > 1 || bytes.Count(text, []byte(`"apiVersion"`)) > 1 || bytes.Contains(text, []byte(`\u`))
}

// jsonMembers walks the members of an object until done. read reports whether it
// took the value.
func (d *decoder) jsonMembers(text []byte, read func(key string) (bool, error), done func() bool) error {
	dec := d.openJSON(text)
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return orElse(err, errNoObject)
	}
	for dec.PeekKind() != '}' && !done() {
		key, err := d.jsonKey()
		if err != nil {
			return err
		}
		took, err := read(key)
		if err == nil && !took {
			err = dec.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errNoObject = errors.New("not an object")

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// jsonWord reads a string; any other value is passed over.
func (d *decoder) jsonWord(into *string) (bool, error) {
	if d.json.PeekKind() != '"' {
		return false, nil
	}
	raw, err := d.json.ReadValue()
	if err == nil {
		*into, err = d.jsonString(raw)
	}
	return true, err
}

func (d *decoder) jsonKey() (string, error) {
	raw, err := d.json.ReadValue()
	if err != nil {
		return "", err
	}
	return d.jsonString(raw)
}

// jsonString is what a string in quotes says.
func (d *decoder) jsonString(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return d.names.string(raw[1 : len(raw)-1]), nil
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil && len(text) == 0 {
		return "", err
	}
	return d.names.string(text), nil
}

// bracketHead reads what a list says of itself, in JSON or in YAML's brackets.
func (d *decoder) bracketHead(text []byte) (head, error) {
	h, err := d.jsonListHead(text)
	if err == nil {
		return h, nil
	}
	if roots, failed := d.parseYAML(text); failed == nil && len(roots) == 1 && roots[0].Kind == yaml.MappingNode {
		return headOf(roots[0]), nil
	}
	return h, err
}

// jsonListHead reads what a list says of itself.
func (d *decoder) jsonListHead(text []byte) (head, error) {
	h := head{}
	err := d.jsonMembers(text, func(key string) (bool, error) {
		switch key {
		case "kind":
			return d.jsonWord(&h.kind)
		case "apiVersion":
			return d.jsonWord(&h.apiVersion)
		case "metadata":
			return d.jsonStrings(map[string]*string{"continue": &h.next, "resourceVersion": &h.version})
		}
		return false, nil
	}, func() bool { return false })
	return h, err
}

// jsonStrings reads strings out of the object that comes next.
func (d *decoder) jsonStrings(into map[string]*string) (bool, error) {
	if d.json.PeekKind() != '{' {
		return false, nil
	}
	if _, err := d.json.ReadToken(); err != nil {
		return true, err
	}
	for d.json.PeekKind() != '}' {
		key, err := d.jsonKey()
		if err != nil {
			return true, err
		}
		took := false
		if p := into[key]; p != nil {
			took, err = d.jsonWord(p)
		}
		if err == nil && !took {
			err = d.json.SkipValue()
		}
		if err != nil {
			return true, err
		}
	}
	_, err := d.json.ReadToken()
	return true, err
}

// jsonWants reads the name of an object of which only some are wanted.
func (d *decoder) jsonWants(k kept, text []byte) bool {
	namespace, name := "", ""
	err := d.jsonMembers(text, func(key string) (bool, error) {
		if key != "metadata" {
			return false, nil
		}
		return d.jsonStrings(map[string]*string{"namespace": &namespace, "name": &name})
	}, func() bool { return name != "" })
	return err != nil || d.wants(k, namespace, name) // an error comes again
}

// object builds the tree of what is kept of an object, which is all of the text.
func (t *jsonTree) object(s fieldFilter) (snapshot.Value, error) {
	t.openJSON(t.text)
	all := t.stack.open()
	v, err := t.value(s, 0)
	if err == nil {
		if _, err = t.json.ReadToken(); errors.Is(err, io.EOF) {
			return v, nil
		}
		err = orElse(err, errors.New("text after the object"))
	}
	all.drop()
	return snapshot.Value{}, err
}

// here is the line of the token that was read last.
func (t *jsonTree) here() int {
	if at := int(t.json.InputOffset()); at > t.counted && !t.fixed {
		t.line += bytes.Count(t.text[t.counted:at], newline)
		t.counted = at
	}
	return t.line
}

func (t *jsonTree) value(s fieldFilter, depth int) (snapshot.Value, error) {
	if depth > maxDepth {
		return snapshot.Value{}, errTooDeep
	}
	if t.stack.full() {
		return snapshot.Value{}, errTooMany
	}
	switch t.json.PeekKind() {
	case '{':
		return t.mapping(s, depth)
	case '[':
		return t.list(s, depth)
	}
	return t.scalar(s)
}

func (t *jsonTree) mapping(s fieldFilter, depth int) (v snapshot.Value, err error) {
	if _, err = t.json.ReadToken(); err != nil {
		return v, err
	}
	line, m := t.here(), t.stack.open()
	dropped, owns := false, false
	for t.json.PeekKind() != '}' {
		key, err := t.jsonKey()
		if err != nil {
			return v, err
		}
		c, ok := s.child(key)
		if !ok {
			dropped, owns = true, owns || ownsItem(key)
			if err := t.json.SkipValue(); err != nil {
				return v, err
			}
			continue
		}
		at := t.here()
		child, err := t.value(c, depth+1)
		if err != nil {
			return v, err
		}
		if child.Kind == snapshot.Absent {
			dropped = true
			continue
		}
		t.set(&m, key, at, child)
	}
	if _, err = t.json.ReadToken(); err != nil {
		return v, err
	}
	return t.keepMap(s, m.mapping(line), dropped, owns), nil
}

// set adds a member of a map and tells of a key that stands twice.
func (d *decoder) set(m *members, key string, line int, v snapshot.Value) {
	if first, twice := m.set(key, line, v); twice {
		d.twice(key, first, line)
	}
}

func (d *decoder) twice(key string, first, line int) {
	d.partial(line, fmt.Sprintf("key %q twice, on lines %d and %d: the last one counts", key, first, line))
}

func (t *jsonTree) list(s fieldFilter, depth int) (v snapshot.Value, err error) {
	if _, err = t.json.ReadToken(); err != nil {
		return v, err
	}
	line, m := t.here(), t.stack.open()
	for t.json.PeekKind() != ']' {
		item, err := t.value(s, depth+1)
		if err != nil {
			return v, err
		}
		m.push(item)
	}
	if _, err = t.json.ReadToken(); err != nil {
		return v, err
	}
	return t.keepList(s, m.list(line)), nil
}

func (t *jsonTree) scalar(s fieldFilter) (snapshot.Value, error) {
	raw, err := t.json.ReadValue()
	if err != nil {
		return snapshot.Value{}, err
	}
	v := snapshot.Value{Line: int32(t.here())}
	switch raw.Kind() {
	case 'n':
		v.Kind = snapshot.Null
	case 't', 'f':
		v.Kind, v.Text = snapshot.Bool, t.names.string(raw)
	case '0':
		v.Kind, v.Text = snapshot.Number, t.names.string(raw)
	case '"':
		v.Kind = snapshot.String
		if v.Text, err = t.jsonString(raw); err != nil {
			return v, err
		}
		if s.embeds() {
			return t.embedded(v.Text, s, int(v.Line), int(v.Line), true), nil
		}
	}
	return s.keepScalar(v), nil
}
