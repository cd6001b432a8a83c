// SPDX-License-Identifier: Apache-2.0

package who

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/snapshot"
)

// Name is how somebody names an object: "demo/tomcat", "svc/tomcat", "node/cdev01",
// "svc/demo/tomcat", "gateway.gateway.networking.k8s.io/web". What is empty matches all.
type Name struct {
	Kind, Group, Namespace, Name string // Kind in small letters
}

// short are kubectl's short names (kubectl api-resources) of kinds that claim addresses.
var short = map[string]string{
	"svc": "service", "no": "node", "po": "pod", "ing": "ingress", "ep": "endpoints", "cm": "configmap", "gtw": "gateway", "ds": "daemonset", "deploy": "deployment", "sts": "statefulset",
}

var errNoName = errors.New("not the name of an object")

// ParseName reads a name. namespace is that of the command line, and may be empty.
// Of two parts the first is a kind where kinds has such a one, and a namespace
// elsewhere.
func ParseName(text, namespace string, kinds []snapshot.Kind) (Name, error) {
	parts := strings.Split(text, "/")
	if slices.Contains(parts, "") || len(parts) < 2 || len(parts) > 3 {
		return Name{}, fmt.Errorf("%q: %w", text, errNoName)
	}
	n := Name{Namespace: namespace, Name: parts[len(parts)-1]}
	known := n.ofKind(parts[0], kinds)
	long, abbreviated := short[strings.ToLower(parts[0])]
	switch {
	case !known && abbreviated:
		return Name{}, fmt.Errorf("%q: nothing of kind %s claims an address", text, long)
	case len(parts) == 3 && !known:
		return Name{}, fmt.Errorf("%q: %w: no such kind is read: %q", text, errNoName, parts[0])
	case len(parts) == 2 && known:
		return n, nil
	case namespace != "" && namespace != parts[len(parts)-2]:
		return Name{}, fmt.Errorf("%q and namespace %q: %w", text, namespace, errNoName)
	}
	n.Namespace = parts[len(parts)-2]
	return n, nil
}

// ofKind takes a word for a kind, if it is one: "svc", "Service", "services",
// "services.core"; a kind of another group also with that.
func (n *Name) ofKind(word string, kinds []snapshot.Kind) bool {
	word, group, _ := strings.Cut(strings.ToLower(word), ".")
	if long, ok := short[word]; ok {
		word = long
	}
	for _, k := range kinds {
		if kind := strings.ToLower(k.Kind); (word == kind || word == k.Resource) && (group == "" || group == k.Group) {
			n.Kind, n.Group = kind, group
			return true
		}
	}
	return false
}

// Matches reports whether an object is called so.
func (n Name) Matches(r snapshot.Ref) bool {
	return r.Name == n.Name && (n.Namespace == "" || r.Namespace == n.Namespace || r.Namespace == "" && n.Kind != "") &&
		(n.Kind == "" || strings.EqualFold(r.Kind, n.Kind)) && (n.Group == "" || r.Group == n.Group)
}

// Object is an object that was asked about, and what it claims: single addresses and
// ranges, sorted, each once.
type Object struct {
	Ref    snapshot.Ref
	Claims []claim.Range
}

// Asked are the claims that a question about an object is about: its addresses, or where
// it has none, as a pool, its ranges.
func (o Object) Asked() []claim.Range {
	var single []claim.Range
	for _, r := range o.Claims {
		if r.IsSingle() {
			single = append(single, r)
		}
	}
	if len(single) == 0 {
		return o.Claims
	}
	return single
}

// Named finds the objects that a name matches, among those that were read and those that
// claim something or on whose behalf somebody does; sorted.
func Named(n Name, v claim.View, s *snapshot.Snapshot) []Object {
	found := map[snapshot.Ref][]claim.Range{}
	for _, o := range s.Objects {
		if n.Matches(o.Ref) {
			found[o.Ref] = nil
		}
	}
	for i := range s.Pods {
		if r := s.Pods[i].Ref(); n.Matches(r) {
			found[r] = nil
		}
	}
	for c := range v.All() {
		for _, r := range []snapshot.Ref{c.By, c.Owner} {
			if n.Matches(r) {
				found[r] = append(found[r], c.Range)
			}
		}
	}
	out := make([]Object, 0, len(found))
	for r, ranges := range found {
		slices.SortFunc(ranges, claim.Range.Compare)
		out = append(out, Object{r, slices.Compact(ranges)})
	}
	slices.SortFunc(out, func(a, b Object) int { return a.Ref.Compare(b.Ref) })
	return out
}
