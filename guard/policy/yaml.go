// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// YAML writes the objects, one document each: what the policy needs before the
// policy, and the binding, which makes it act, last.
func (m Manifest) YAML() ([]byte, error) {
	var docs []string
	for _, o := range m.Objects() {
		tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if err != nil {
			return nil, fmt.Errorf("write policy: %w", err)
		}
		delete(tree, "status")
		text, err := yaml.Marshal(tree)
		if err != nil {
			return nil, fmt.Errorf("write policy: %w", err)
		}
		docs = append(docs, string(text))
	}
	return []byte(strings.Join(docs, "---\n")), nil
}

// Objects lists what YAML writes.
func (m Manifest) Objects() []runtime.Object {
	var list []runtime.Object
	if m.Addresses != nil {
		list = append(list, m.Addresses)
	}
	return append(list, m.Policy, m.Binding)
}
