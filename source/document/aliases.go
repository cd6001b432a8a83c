// SPDX-License-Identifier: Apache-2.0

package document

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// Aliases is an error for a YAML text whose aliases stand for more nodes than a
// document may have them stand for, or that has more nodes than a document may have:
// for who hands it to a library that puts them in their places. What does not parse
// is no error: the library says so.
func Aliases(text []byte) error {
	if bytes.IndexByte(text, '*') < 0 || bytes.IndexByte(text, '&') < 0 {
		return nil
	}
	if marks(text) > maxNodes {
		return errNodes
	}
	dec := yaml.NewDecoder(bytes.NewReader(withoutVersion(text)))
	for {
		var n yaml.Node
		if err := dec.Decode(&n); err != nil {
			return nil // the library says what is wrong
		}
		if err := new(counting).node(&n); err != nil {
			return err
		}
	}
}

// counting counts the nodes that aliases lead to.
type counting struct{ through, aliased int }

func (c *counting) node(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode {
		c.through++
		defer func() { c.through-- }()
		n = n.Alias
	}
	if c.through > 0 {
		if c.aliased++; c.aliased > maxAliased || c.through > maxDepth {
			return errAliases
		}
	}
	for _, inner := range n.Content {
		if err := c.node(inner); err != nil {
			return err
		}
	}
	return nil
}
