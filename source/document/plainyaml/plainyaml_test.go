// SPDX-License-Identifier: Apache-2.0

package plainyaml_test

import (
	"strings"
	"testing"

	"whohas/source/document/plainyaml"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// node is what is compared of a node.
type node struct {
	Kind    yaml.Kind
	Tag     string
	Value   string
	Line    int
	Style   yaml.Style
	Passed  bool
	Content []node
}

func show(n *yaml.Node) node {
	if n == plainyaml.Passed {
		return node{Passed: true}
	}
	out := node{Kind: n.Kind, Tag: n.ShortTag(), Value: n.Value, Line: n.Line, Style: n.Style}
	for _, c := range n.Content {
		out.Content = append(out.Content, show(c))
	}
	return out
}

// less passes over, in what the library has made, the keys that are not wanted.
func less(n node, want func(string) bool) node {
	for i := range n.Content {
		n.Content[i] = less(n.Content[i], want)
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if !want(n.Content[i].Value) {
			n.Content[i+1] = node{Passed: true}
		}
	}
	return n
}

// asLibrary reads a text with and without passing over something. What is accepted must be
// what the library makes.
func asLibrary(t *testing.T, m *plainyaml.Memory, text string, item bool) (accepted bool) {
	t.Helper()
	for _, want := range []func(string) bool{func(string) bool { return true }, func(key string) bool { return !strings.HasPrefix(key, "b") }} {
		got, ok := plainyaml.Read(m, []byte(text), item, 0, func(_ int, key string) (int, bool) { return 0, want(key) })
		if !ok {
			return false
		}
		var whole yaml.Node
		if err := yaml.Unmarshal([]byte(text), &whole); err != nil {
			t.Fatalf("%q: the library refuses: %v", text, err)
		}
		if got == nil {
			if len(whole.Content) > 0 && whole.Content[0].Tag != "!!null" {
				t.Errorf("%q: it holds something", text)
			}
			continue
		}
		root := whole.Content[0]
		if item {
			root = root.Content[0]
		}
		if diff := cmp.Diff(less(show(root), want), show(got)); diff != "" {
			t.Errorf("%q: -library +ours\n%s", text, diff)
		}
	}
	return true
}

func TestRead(t *testing.T) {
	m := &plainyaml.Memory{}
	for text, accepted := range map[string]bool{
		"a: 1\nb: x\n":                        true,
		"a: 1":                                false, // the last line must end
		"a:\n  b: [1, two, {c: d}]\n":         true,
		"a:\n- b\n- c: d\n  e: f\n-\n  - g\n": true,
		"a: |\n  x\n\n  y\nb: |-\n  z\n":      true,
		"a: >\n  folded\n":                    false,
		"a: &x 1\n":                           false,
		"a: *x\n":                             false,
		"<<: {a: b}\n":                        false,
		"80: x\n":                             false,
		"~: x\n":                              false,
		"a: 'it''s' # why\n":                  true,
		"a: \"q\\n\\\"\"\n":                   true,
		"a: \"\\x41\"\n":                      false,
		"a: !!str 1\n":                        false,
		"a: 0x10\nc: yes\nd: ~\ne: 1.5\nf: 2001-01-01\n": true,
		"a: {b: 1, c: [x]}\n":                            true,
		"a:\n   b: c\n  d: e\n":                          false,
		"# nothing\n\n":                                  true,
		"- a: b\n":                                       false, // an item, which nobody asked for
		"a: b: c\n":                                      false,
		"a:\tb\n":                                        false,
		"ä: ö\n":                                         true,
		"a: \u2028\n":                                    false,
		"a:\nb: x\n":                                     true, // a value that is missing
		"a:\n-\n- b\n":                                   true,
	} {
		if got := asLibrary(t, m, text, false); got != accepted {
			t.Errorf("%q: accepted %v, want %v", text, got, accepted)
		}
	}
	for text, accepted := range map[string]bool{"- a: b\n  c: d\n": true, "- a\n": false, "- - a: b\n": false, "-\n  a: b\n": false, "- a: b\n- c: d\n": false} {
		if got := asLibrary(t, m, text, true); got != accepted {
			t.Errorf("item %q: accepted %v, want %v", text, got, accepted)
		}
	}
}

// TestBounds: what is deep, or much, the library decides on.
func TestBounds(t *testing.T) {
	for name, text := range map[string]string{
		"deep in blocks": func() string {
			var b strings.Builder
			for i := range 250 {
				b.WriteString(strings.Repeat(" ", i) + "a:\n")
			}
			return b.String()
		}(),
		"deep in lists":    "a:\n" + strings.Repeat("- ", 250) + "x\n",
		"deep in brackets": "a: " + strings.Repeat("[", 250) + strings.Repeat("]", 250) + "\n",
		"many":             "a: [" + strings.Repeat("1, ", 1<<18) + "1]\n",
	} {
		if reads(&plainyaml.Memory{}, text) {
			t.Errorf("%s: it is accepted", name)
		}
	}
}

// TestMemory: the bound is for one text, however many a memory has served.
func TestMemory(t *testing.T) {
	m := &plainyaml.Memory{}
	for i := range 1 << 17 {
		if !reads(m, "a: {b: [c, d]}\n") {
			t.Fatalf("text %d is not accepted", i)
		}
	}
}

func reads(m *plainyaml.Memory, text string) bool {
	_, ok := plainyaml.Read(m, []byte(text), false, 0, func(int, string) (int, bool) { return 0, true })
	return ok
}

// FuzzRead: what is accepted is what the library makes, with nodes that were another's.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"a: 1\nb: {c: [d, 'e']}\n", "a:\n- b: |\n    x\n  c: \"d\"\n", "- a: ~\n"} {
		f.Add(s, strings.HasPrefix(s, "-"))
	}
	f.Fuzz(func(t *testing.T, text string, item bool) {
		m := &plainyaml.Memory{}
		asLibrary(t, m, "x: {y: [z, z, z]}\nb: c\n", false)
		asLibrary(t, m, text, item)
	})
}
