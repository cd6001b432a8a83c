// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Read declares which fields of a kind somebody needs; the zero Kind stands for
// every kind that another Read names. Nothing else enters a
// snapshot: a source drops the other fields while it reads.
//
// A path is keys joined by dots. A key may be quoted ("config.conf"), may end in
// * (every key with that prefix), and may carry one of
//
//	<yaml>        the string holds a YAML document; the path goes on in it
//	[]            a list; the path goes into each of its items
//	[k=a|b]       of a list of maps, only items whose k is a or b
//	[^p|q]        of a list of strings, only items that begin with p or q, and
//	              the item after one that is exactly p or q ("--mode" "ipvs")
//
// Paths that meet in one list carry the same sort of bracket, or none does.
//
// A path also says of what type a field is, as the API server or whoever reads
// the text sees it (Fields.Check): what a path goes through is a map, and where it
// ends stands a string, unless one of these says otherwise, behind all else:
//
//	<int> <bool>  a number, a boolean
//	<scalar>      any of string, number and boolean
//	<any>         anything, also where a path goes on: only a map is gone into
//
// A path that ends keeps the whole subtree. Of what a field declared with
// <yaml> holds beside the declared fields, nothing is kept.
type Read struct {
	Kind  Kind
	Names []string // "namespace/name" of the only objects wanted; empty: all
	// Filed are all that stand in files, whatever their names: only a live cluster is
	// not asked for the others.
	Filed  bool
	Fields []string
	// Traced fields are kept as well, and of managedFields who wrote them.
	Traced []string
}

// metadataFields are kept of every object: who made it, who keeps it as it is
// and since when.
var metadataFields = []string{
	"metadata.name", "metadata.generateName", "metadata.namespace", "metadata.creationTimestamp",
	"metadata.ownerReferences[].apiVersion", "metadata.ownerReferences[].kind", "metadata.ownerReferences[].name",
	"metadata.ownerReferences[].controller<bool>", "metadata.annotations.whohas.io/allow",
}

// Fields is a set of declared fields as a tree. It is immutable once made and
// safe for concurrent use. A nil *Fields keeps nothing.
type Fields struct {
	keys     map[string]*Fields
	prefixes []prefixField
	whole    bool // the path ends here: keep the subtree
	traced   bool // a path whose writers are kept goes through here
	end      bool // or ends here
	yaml     bool
	itemKey  string // of a list of maps: keep items whose itemKey is in itemVals
	itemVals []string
	prefix   []string // of a list of strings
	filter   string   // the sort of bracket that the paths through here carry
	path     string   // as it is declared
	list     bool
	shape    shape // of what stands here, in a list of each item
}

type prefixField struct {
	prefix string
	fields *Fields
}

// ParseFields makes a set from paths.
func ParseFields(paths ...string) (*Fields, error) {
	root := &Fields{}
	for _, p := range paths {
		segments, err := splitFieldPath(p)
		if err != nil {
			return nil, fmt.Errorf("field path %q: %w", p, err)
		}
		at := root
		root.shape = shapeMap
		for i, s := range segments {
			if at, err = at.grow(s, i+1 == len(segments)); err != nil {
				return nil, fmt.Errorf("field path %q: %w", p, err)
			}
		}
		at.whole = true
	}
	return root, nil
}

// Child is the set below a key; nil means that the key is not kept.
func (f *Fields) Child(key string) *Fields {
	if f == nil {
		return nil
	}
	if f.whole && !f.yaml {
		return f.subtree()
	}
	return f.declared(key)
}

// declared is the set below a key that some path names.
func (f *Fields) declared(key string) *Fields {
	if c, ok := f.keys[key]; ok {
		return c
	}
	for _, p := range f.prefixes {
		if strings.HasPrefix(key, p.prefix) {
			return p.fields
		}
	}
	return nil
}

// subtree keeps everything below: it drops what only holds at this level.
func (f *Fields) subtree() *Fields {
	if f.itemKey == "" && f.prefix == nil {
		return f
	}
	return everything
}

// everything is the set that keeps a whole subtree.
var everything = &Fields{whole: true}

// Whole reports whether everything below is kept.
func (f *Fields) Whole() bool { return f != nil && f.whole && !f.yaml }

// Ends reports whether a path ends here, also where a string holds a document: of
// that, the items of a list that the path's bracket names are kept.
func (f *Fields) Ends() bool { return f != nil && f.whole }

// YAML reports whether a string here holds a YAML document of which Fields
// declares the part that is kept.
func (f *Fields) YAML() bool { return f != nil && f.yaml }

// Managed is the set that of managedFields' fieldsV1 is kept: the traced fields
// under their "f:" names, down to where a path ends. Values it holds are empty.
func (f *Fields) Managed(key string) *Fields {
	name, ok := strings.CutPrefix(key, "f:")
	if !ok || f == nil || f.end {
		return nil
	}
	if c := f.Child(name); c != nil && c.traced {
		return c
	}
	return nil
}

// trace marks the paths whose writers are kept.
func (f *Fields) trace(paths []string) error {
	for _, p := range paths {
		segments, err := splitFieldPath(p)
		if err != nil {
			return err
		}
		at := f
		at.traced = true
		for _, s := range segments {
			at = at.branch(s)
			at.traced = true
		}
		at.end = true
	}
	return nil
}

// KeepItems filters the items of a list that was decoded with f.
func (f *Fields) KeepItems(items []Value) []Value {
	if f == nil || f.itemKey == "" && f.prefix == nil {
		return items
	}
	after := false
	for i := range items {
		f.strip(&items[i])
	}
	return slices.DeleteFunc(items, func(v Value) bool {
		// A flag behind a flag is no value of it.
		keep := after && !strings.HasPrefix(v.Text, "-") || f.keepItem(&v)
		after = slices.Contains(f.prefix, v.Text)
		return !keep
	})
}

// strip leaves of an item that is none of the sort that the bracket is about only
// that it stands there: it is a fault, and may hold what nobody declared.
func (f *Fields) strip(v *Value) {
	if f.stray(v) {
		*v = Value{Kind: v.Kind, Line: v.Line}
	}
}

func (f *Fields) stray(v *Value) bool {
	if f.itemKey != "" {
		return v.Kind != Map
	}
	return v.Kind != String
}

func (f *Fields) keepItem(v *Value) bool {
	if f.stray(v) {
		return true
	}
	if f.itemKey != "" {
		return slices.Contains(f.itemVals, v.Get(f.itemKey).Text)
	}
	return slices.ContainsFunc(f.prefix, func(p string) bool { return strings.HasPrefix(v.Text, p) })
}

type fieldSegment struct {
	key     string
	prefix  bool
	yaml    bool
	itemKey string
	items   []string
	args    []string
	list    bool
	shape   shape
}

func (f *Fields) grow(s fieldSegment, last bool) (*Fields, error) {
	c := f.branch(s)
	if c.filter != "" && c.filter != s.filter() {
		return nil, fmt.Errorf("%q is declared with another bracket, or with none, elsewhere", s.key)
	}
	c.filter = s.filter()
	if err := c.form(s, last); err != nil {
		return nil, err
	}
	c.yaml = c.yaml || s.yaml
	c.prefix = append(c.prefix, s.args...)
	if s.itemKey == "" {
		return c, nil
	}
	c.itemKey = s.itemKey
	c.itemVals = append(c.itemVals, s.items...)
	key, err := c.grow(fieldSegment{key: s.itemKey}, true)
	if err != nil {
		return nil, err
	}
	key.whole = true
	return c, nil
}

// filter tells sorts of brackets apart: paths with different ones cannot share
// a list, since each would lose what the other passes over.
func (s fieldSegment) filter() string {
	switch {
	case s.itemKey != "":
		return s.itemKey + "="
	case s.args != nil:
		return "^"
	case s.list:
		return "list"
	default:
		return "none"
	}
}

func (f *Fields) branch(s fieldSegment) *Fields {
	if s.prefix {
		for _, p := range f.prefixes {
			if p.prefix == s.key {
				return p.fields
			}
		}
		c := &Fields{path: JoinPath(f.path, s.key+"*")}
		f.prefixes = append(f.prefixes, prefixField{s.key, c})
		return c
	}
	if f.keys == nil {
		f.keys = map[string]*Fields{}
	}
	if f.keys[s.key] == nil {
		f.keys[s.key] = &Fields{path: JoinPath(f.path, s.key)}
	}
	return f.keys[s.key]
}

var errEmptyKey = errors.New("empty key")

func splitFieldPath(path string) ([]fieldSegment, error) {
	// Annotation and label keys hold dots and slashes: everything after these
	// prefixes is one key, up to a <yaml>.
	for _, p := range []string{"metadata.annotations.", "metadata.labels.", "spec.template.metadata.labels."} {
		if key, ok := strings.CutPrefix(path, p); ok {
			head, err := splitFieldPath(strings.TrimSuffix(p, "."))
			if key == "" {
				err = errEmptyKey
			}
			s, tail, terr := annotationSegment(key)
			if err == nil {
				err = terr
			}
			if tail != "" && err == nil {
				err = fmt.Errorf("unexpected %q", tail)
			}
			return append(head, s), err
		}
	}
	var segments []fieldSegment
	for rest, more := path, true; more; {
		var s fieldSegment
		var err error
		if s, rest, more, err = nextSegment(rest); err != nil {
			return nil, err
		}
		segments = append(segments, s)
	}
	return segments, nil
}

func annotationSegment(key string) (s fieldSegment, rest string, err error) {
	i := strings.Index(key, "<yaml>")
	if i < 0 {
		return segmentOf(key), "", nil
	}
	s = segmentOf(key[:i])
	rest, err = s.marks(key[i:])
	return s, rest, err
}

func segmentOf(key string) fieldSegment {
	if p, ok := strings.CutSuffix(key, "*"); ok {
		return fieldSegment{key: p, prefix: true}
	}
	return fieldSegment{key: key}
}

func nextSegment(rest string) (s fieldSegment, next string, more bool, err error) {
	key := ""
	if strings.HasPrefix(rest, `"`) {
		end := strings.IndexByte(rest[1:], '"')
		if end < 0 {
			return s, "", false, fmt.Errorf("quote is not closed")
		}
		key, rest = rest[1:1+end], rest[end+2:]
	} else {
		end := strings.IndexAny(rest, ".[<")
		if end < 0 {
			end = len(rest)
		}
		key, rest = rest[:end], rest[end:]
	}
	if key == "" {
		return s, "", false, errEmptyKey
	}
	s = segmentOf(key)
	if rest, err = s.marks(rest); err != nil {
		return s, "", false, err
	}
	next, more = strings.CutPrefix(rest, ".")
	if rest != "" && !more {
		return s, "", false, fmt.Errorf("unexpected %q", rest)
	}
	return s, next, more, nil
}

// marks reads what stands behind a key.
func (s *fieldSegment) marks(text string) (rest string, err error) {
	rest = text
	if r, ok := strings.CutPrefix(rest, "<yaml>"); ok {
		s.yaml, rest = true, r
	}
	if strings.HasPrefix(rest, "[") {
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			return "", errors.New("bracket is not closed")
		}
		if err := s.bracket(rest[1:end]); err != nil {
			return "", err
		}
		rest = rest[end+1:]
	}
	for mark, shape := range shapeMarks {
		if r, ok := strings.CutPrefix(rest, mark); ok {
			s.shape, rest = shape, r
			break
		}
	}
	return rest, nil
}

// bracket reads what stands between brackets.
func (s *fieldSegment) bracket(text string) error {
	s.list = true
	if text == "" {
		return nil
	}
	if args, ok := strings.CutPrefix(text, "^"); ok {
		s.args = strings.Split(args, "|")
		if slices.Contains(s.args, "") {
			return fmt.Errorf("bracket %q has an empty prefix", text)
		}
		return nil
	}
	key, values, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return fmt.Errorf("bracket %q is neither k=v nor ^prefix", text)
	}
	s.itemKey, s.items = key, strings.Split(values, "|")
	return nil
}

// Reads is what all declarations together keep, by kind. It is immutable and
// safe for concurrent use; the zero value keeps nothing.
type Reads struct {
	kinds map[groupKind]*kindReads
	order []Kind
}

type groupKind struct{ group, kind string }

type kindReads struct {
	kind   Kind
	fields *Fields
	names  map[string]bool // nil: all objects
	filed  bool            // all that stand in files
}

// NewReads joins declarations.
func NewReads(reads ...Read) (Reads, error) {
	paths, traced := map[groupKind][]string{}, map[groupKind][]string{}
	common := slices.Clone(metadataFields)
	out := Reads{kinds: map[groupKind]*kindReads{}}
	for _, r := range reads {
		if r.Kind == (Kind{}) {
			common = append(common, r.Fields...)
			continue
		}
		gk := groupKind{r.Kind.Group, r.Kind.Kind}
		k := out.kinds[gk]
		if k == nil {
			k = &kindReads{kind: r.Kind, names: map[string]bool{}}
			out.kinds[gk] = k
			out.order = append(out.order, r.Kind)
		}
		k.restrict(r.Names)
		k.filed = k.filed || r.Filed
		paths[gk] = append(paths[gk], r.Fields...)
		traced[gk] = append(traced[gk], r.Traced...)
	}
	for gk, k := range out.kinds {
		fields, err := ParseFields(slices.Concat(paths[gk], traced[gk], common)...)
		if err != nil {
			return Reads{}, err
		}
		if err := fields.trace(traced[gk]); err != nil {
			return Reads{}, err
		}
		k.fields = fields
	}
	slices.SortFunc(out.order, func(a, b Kind) int { return a.Ref("", "").Compare(b.Ref("", "")) })
	return out, nil
}

func (k *kindReads) restrict(names []string) {
	if len(names) == 0 {
		k.names = nil
	}
	if k.names == nil {
		return
	}
	for _, n := range names {
		k.names[n] = true
	}
}

// Kinds lists the kinds that are read, sorted.
func (r Reads) Kinds() []Kind { return r.order }

// Kind finds a declared kind; ok is false for a kind that nobody reads.
func (r Reads) Kind(group, kind string) (k Kind, fields *Fields, ok bool) {
	d, ok := r.kinds[groupKind{group, kind}]
	if !ok {
		return Kind{}, nil, false
	}
	return d.kind, d.fields, true
}

// Names lists the only objects of a kind that a live cluster is asked for, sorted; nil
// means all.
func (r Reads) Names(k Kind) []string {
	d := r.kinds[groupKind{k.Group, k.Kind}]
	if d == nil || d.names == nil {
		return nil
	}
	names := make([]string, 0, len(d.names))
	for n := range d.names {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Some reports whether not every object of a declared kind is read from files.
func (r Reads) Some(k Kind) bool {
	d := r.kinds[groupKind{k.Group, k.Kind}]
	return d != nil && d.names != nil && !d.filed
}

// Wants reports whether an object of a declared kind is read from files.
func (r Reads) Wants(k Kind, namespace, name string) bool {
	d := r.kinds[groupKind{k.Group, k.Kind}]
	return d != nil && (d.names == nil || d.filed || d.names[namespace+"/"+name])
}
