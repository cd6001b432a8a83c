// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"whohas/dataplane"
)

// UnknownError names the sorts of objects in nft's output that have no meaning
// here, each once. Everything else was kept.
type UnknownError struct{ Names []string }

func (e *UnknownError) Error() string {
	return "read ruleset: unknown objects: " + strings.Join(e.Names, ", ")
}

// JSONBackend is the back end of the tables that ParseJSON gives.
const JSONBackend = "nftables"

// passed are the objects that rules refer to by name and that decide nothing alone
// (libnftables-json(5), nftables 1.0.6): a reader of the rule sees the reference.
var passed = []string{"metainfo", "counter", "quota", "limit", "flowtable", "ct helper", "ct timeout", "ct expectation", "secmark", "synproxy"}

// ParseJSON reads the output of nft -j list ruleset. A rule is kept as the JSON
// array of its expressions, an element as its JSON, both compact and with sorted
// keys; handles, the counts of counters and quotas and the remaining times of
// elements are left out, so that an unchanged ruleset reads the same again. A
// rule's comment stands as a last {"comment": ...} in its array. Tables, chains and
// rules keep their order, elements are sorted. Sorts of objects that are not known
// are an *UnknownError, returned beside what was read.
func ParseJSON(r io.Reader) ([]dataplane.Table, error) {
	dec := json.NewDecoder(r)
	var all struct {
		Objects []map[string]json.RawMessage `json:"nftables"`
	}
	if err := dec.Decode(&all); err != nil {
		return nil, fmt.Errorf("read ruleset: %w", err)
	}
	if all.Objects == nil {
		return nil, errors.New("read ruleset: no list of nftables objects")
	}
	p := &jsonParser{index: map[tableKey]*openTable{}}
	for i, o := range all.Objects {
		for kind, raw := range o {
			if err := p.object(kind, raw); err != nil {
				p.errs = append(p.errs, fmt.Errorf("read ruleset: object %d: %s: %w", i, kind, err))
			}
		}
	}
	var out []dataplane.Table
	for _, t := range p.tables {
		out = append(out, t.Table)
	}
	return out, p.err()
}

type tableKey struct{ family, name string }

type jsonParser struct {
	tables  []*openTable
	index   map[tableKey]*openTable
	unknown []string
	errs    []error
}

const maxErrors = 5

func (p *jsonParser) err() error {
	if n := len(p.errs); n > maxErrors {
		p.errs = append(p.errs[:maxErrors], fmt.Errorf("and %d more", n-maxErrors))
	}
	if len(p.unknown) > 0 {
		slices.Sort(p.unknown)
		p.errs = append(p.errs, &UnknownError{Names: slices.Compact(p.unknown)})
	}
	return errors.Join(p.errs...)
}

// nftObject has the fields of every sort of object that is kept.
type nftObject struct {
	Family  string          `json:"family"`
	Table   string          `json:"table"`
	Name    string          `json:"name"`
	Chain   string          `json:"chain"`
	Comment string          `json:"comment"`
	Expr    json.RawMessage `json:"expr"`
	Hook    string          `json:"hook"`
	Prio    *int            `json:"prio"`
	Policy  string          `json:"policy"`
	Dev     json.RawMessage `json:"dev"`
	Type    json.RawMessage `json:"type"` // a chain's, a set's or a map's
	Map     json.RawMessage `json:"map"`
	Elem    json.RawMessage `json:"elem"`
}

func (p *jsonParser) object(kind string, raw json.RawMessage) error {
	if slices.Contains(passed, kind) {
		return nil
	}
	keep := map[string]func(nftObject) error{"table": p.addTable, "chain": p.addChain, "rule": p.addRule, "set": p.addMap, "map": p.addMap, "element": p.addElements}[kind]
	if keep == nil {
		p.unknown = append(p.unknown, kind)
		return nil
	}
	var o nftObject
	if err := json.Unmarshal(raw, &o); err != nil {
		return err
	}
	if o.Family == "" || o.Table == "" && kind != "table" || o.Name == "" && kind != "rule" || o.Chain == "" && kind == "rule" {
		return errors.New("no family, table, chain or name")
	}
	return keep(o)
}

// at gives the table of that name; one that was not listed itself is made.
func (p *jsonParser) at(o nftObject) *openTable {
	k := tableKey{o.Family, cmp.Or(o.Table, o.Name)}
	t, ok := p.index[k]
	if !ok {
		t = &openTable{Table: dataplane.Table{Backend: JSONBackend, Family: k.family, Name: k.name}, chains: map[string]int{}, maps: map[string]int{}}
		p.index[k] = t
		p.tables = append(p.tables, t)
	}
	return t
}

// openTable is a table that is being read.
type openTable struct {
	dataplane.Table
	chains, maps map[string]int
}

func (t *openTable) chain(name string) *dataplane.Chain {
	i, ok := t.chains[name]
	if !ok {
		i = len(t.Chains)
		t.chains[name] = i
		t.Chains = append(t.Chains, dataplane.Chain{Name: name})
	}
	return &t.Chains[i]
}

func (t *openTable) set(name string) *dataplane.Map {
	i, ok := t.maps[name]
	if !ok {
		i = len(t.Maps)
		t.maps[name] = i
		t.Maps = append(t.Maps, dataplane.Map{Name: name})
	}
	return &t.Maps[i]
}

func (p *jsonParser) addTable(o nftObject) error {
	p.at(o)
	return nil
}

func (p *jsonParser) addChain(o nftObject) error {
	var kind string
	devices, err := texts(o.Dev)
	if len(o.Type) > 0 {
		err = errors.Join(err, json.Unmarshal(o.Type, &kind))
	}
	if err != nil {
		return err
	}
	c := p.at(o).chain(o.Name)
	c.Type, c.Hook, c.Policy, c.Devices = kind, o.Hook, strings.ToUpper(o.Policy), devices
	if o.Prio != nil {
		c.Priority = *o.Prio
	}
	return nil
}

func (p *jsonParser) addRule(o nftObject) error {
	list, err := items(o.Expr)
	if err != nil {
		return err
	}
	if o.Comment != "" {
		list = append(list, map[string]any{"comment": o.Comment})
	}
	text, err := compact(list)
	if err != nil {
		return err
	}
	c := p.at(o).chain(o.Chain)
	c.Rules = append(c.Rules, text)
	return nil
}

func (p *jsonParser) addMap(o nftObject) error {
	kind, err := types(o.Type)
	if err != nil {
		return err
	}
	verdict, err := types(o.Map)
	if err != nil {
		return err
	}
	elements, err := elementTexts(o.Elem)
	if err != nil {
		return err
	}
	m := p.at(o).set(o.Name)
	m.Type, m.Verdict = kind, strings.Join(verdict, " . ")
	m.Elements = sorted(append(m.Elements, elements...))
	return nil
}

func (p *jsonParser) addElements(o nftObject) error {
	elements, err := elementTexts(o.Elem)
	if err != nil {
		return err
	}
	m := p.at(o).set(o.Name)
	m.Elements = sorted(append(m.Elements, elements...))
	return nil
}

func sorted(elements []string) []string {
	slices.Sort(elements)
	return slices.Compact(elements)
}

// types reads what a set holds or a map maps to: a name, several of a
// concatenation, or an expression (typeof), which stays JSON.
func types(raw json.RawMessage) ([]string, error) {
	list, err := items(raw)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			if text, err = compact(v); err != nil {
				return nil, err
			}
		}
		out = append(out, text)
	}
	return out, nil
}

// texts reads a string or a list of strings.
func texts(raw json.RawMessage) ([]string, error) {
	list, err := items(raw)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%v is no text", v)
		}
		out = append(out, s)
	}
	return out, nil
}

func elementTexts(raw json.RawMessage) ([]string, error) {
	list, err := items(raw)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range list {
		text, err := compact(v)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// items reads a list; anything else is a list of one, nothing a list of none.
func items(raw json.RawMessage) ([]any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	v, err := decode(raw)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []any:
		return v, nil
	}
	return []any{v}, nil
}

func decode(raw []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

// compact writes a value as JSON without what changes by itself.
func compact(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // sorts the keys of maps all the same
	if err := enc.Encode(steady(v)); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// steady leaves out what differs between two readings of one state: the counts of
// counters and quotas, handles, when a rule was last used, and the time that an
// element has left.
func steady(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = steady(v[i])
		}
	case map[string]any:
		delete(v, "handle")
		delete(v, "expires")
		for k, child := range v {
			if inner, ok := child.(map[string]any); ok {
				switch k {
				case "last":
					delete(inner, "used")
				case "counter":
					delete(inner, "packets")
					delete(inner, "bytes")
				case "quota":
					delete(inner, "used")
					delete(inner, "used_unit")
				}
			}
			v[k] = steady(child)
		}
	}
	return v
}
