// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"cmp"
	"strings"
)

// Ref names an object of the cluster. The zero value names nothing. The API
// version is left out on purpose: one object served in two versions is one.
type Ref struct{ Group, Kind, Namespace, Name string }

// String gives the form that reports use: "Service demo/tomcat" or "Node cdev01".
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// Compare orders by kind, group, namespace and name.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(
		strings.Compare(r.Kind, o.Kind),
		strings.Compare(r.Group, o.Group),
		strings.Compare(r.Namespace, o.Namespace),
		strings.Compare(r.Name, o.Name),
	)
}

// Origin tells where a value stands: a field of an object in a file (Line is
// 1-based, 0 where the source has no lines, as a live cluster), or a table of a
// host's kernel.
type Origin struct {
	File  string
	Line  int
	Field string
	Host  string
	Table string
}

// Kind is a kind of object as the API names it.
type Kind struct {
	Group, Kind string
	Resource    string // the plural of URLs and of the coverage: "services"
	Namespaced  bool
}

// Source is the kind's name in the coverage: "nodes", "ipaddresspools.metallb.io".
func (k Kind) Source() string {
	if k.Group == "" || strings.HasSuffix(k.Group, "k8s.io") && !strings.Contains(k.Group, ".x-") || k.Group == "apps" {
		return k.Resource
	}
	return k.Resource + "." + k.Group
}

// Ref names an object of this kind.
func (k Kind) Ref(namespace, name string) Ref {
	return Ref{Group: k.Group, Kind: k.Kind, Namespace: namespace, Name: name}
}
