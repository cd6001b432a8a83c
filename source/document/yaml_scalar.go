// SPDX-License-Identifier: Apache-2.0

package document

import (
	"encoding/base64"
	"strconv"
	"strings"

	"whohas/snapshot"

	"go.yaml.in/yaml/v3"
)

// words are the plain scalars that kubectl takes for something else than a
// string: it reads YAML 1.1.
var words = func() map[string]snapshot.Value {
	words := map[string]snapshot.Value{}
	for text, names := range map[string]string{
		"true": "y Y yes Yes YES true True TRUE on On ON", "false": "n N no No NO false False FALSE off Off OFF",
	} {
		for _, n := range strings.Fields(names) {
			words[n] = snapshot.Value{Kind: snapshot.Bool, Text: text}
		}
	}
	for _, n := range []string{"", "~", "null", "Null", "NULL"} {
		words[n] = snapshot.Value{Kind: snapshot.Null}
	}
	return words
}()

// scalarOf is what the API server would see of a scalar.
func scalarOf(n *yaml.Node) (snapshot.ValueKind, string) {
	if n.Style&yaml.TaggedStyle != 0 {
		return tagged(n)
	}
	if n.Style != 0 {
		return snapshot.String, n.Value
	}
	if w, ok := words[n.Value]; ok {
		return w.Kind, w.Text
	}
	if n.Tag == "!!int" || n.Tag == "!!float" {
		return snapshot.Number, number(n.Value)
	}
	return snapshot.String, n.Value
}

func tagged(n *yaml.Node) (snapshot.ValueKind, string) {
	switch n.ShortTag() {
	case "!!int", "!!float":
		return snapshot.Number, number(n.Value)
	case "!!bool", "!!null":
		if w, ok := words[n.Value]; ok {
			return w.Kind, w.Text
		}
	case "!!binary":
		if text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), "")); err == nil {
			return snapshot.String, string(text)
		}
	}
	return snapshot.String, n.Value
}

// number writes YAML's other notations of whole numbers (0x10, 0o17, 1_000) as
// the API server sees them; the rest stays as written.
func number(text string) string {
	digits := strings.TrimLeft(text, "+-")
	if !strings.Contains(digits, "_") && (len(digits) < 2 || digits[0] != '0' || digits[1] == '.') {
		return text
	}
	text = strings.ReplaceAll(text, "_", "")
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		return text
	}
	return strconv.FormatInt(n, 10)
}

func isNull(n *yaml.Node) bool {
	kind, _ := scalarOf(n)
	return kind == snapshot.Null
}

// keyText is a map's key as the API server sees it; only scalars can be keys
// there.
func keyText(k *yaml.Node) (string, bool) {
	if k.Kind != yaml.ScalarNode {
		return "", false
	}
	kind, text := scalarOf(k)
	return text, kind != snapshot.Null
}

func isMerge(k *yaml.Node) bool { return k.Kind == yaml.ScalarNode && k.Tag == "!!merge" }

// lookup finds a map's member: the last of that key, else one that is merged.
func lookup(n *yaml.Node, key string) *yaml.Node {
	budget := maxMerges
	return lookupIn(n, key, &budget)
}

// maxMerges bounds the maps that are looked at for one key.
const maxMerges = 1000

func lookupIn(n *yaml.Node, key string, budget *int) *yaml.Node {
	if *budget--; *budget < 0 {
		return nil
	}
	if n.Kind == yaml.SequenceNode { // of maps to merge
		for _, c := range n.Content {
			if found := lookupIn(aliased(c), key, budget); found != nil {
				return found
			}
		}
		return nil
	}
	var found, merged *yaml.Node
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		switch k := n.Content[i]; {
		case isMerge(k) && merged == nil:
			merged = lookupIn(aliased(n.Content[i+1]), key, budget)
		case k.Kind == yaml.ScalarNode && k.Value == key:
			found = aliased(n.Content[i+1])
		}
	}
	if found == nil {
		return merged
	}
	return found
}

func aliased(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// headOf is what a map says of itself.
func headOf(n *yaml.Node) head {
	h := head{kind: word(lookup(n, "kind")), apiVersion: word(lookup(n, "apiVersion"))}
	if meta := lookup(n, "metadata"); meta != nil && meta.Kind == yaml.MappingNode {
		h.next = word(lookup(meta, "continue"))
	}
	return h
}

func textOf(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	_, text := scalarOf(n)
	return text
}

// word is a string's text.
func word(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	if kind, text := scalarOf(n); kind == snapshot.String {
		return text
	}
	return ""
}
