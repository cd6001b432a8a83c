// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strings"
)

// Object is what a kubectl command is about. Namespace is empty for what has none.
type Object struct {
	Resource        string // as kubectl takes it: "service", "ipaddresspools.metallb.io"
	Namespace, Name string
}

// Delete is kubectl's command that deletes an object.
func (o Object) Delete() Line {
	if why := o.fault(); why != "" {
		return refuse("%s", why)
	}
	if o.Namespace == "" {
		return Shell("kubectl delete {} {}", o.Resource, o.Name)
	}
	return Shell("kubectl -n {} delete {} {}", o.Namespace, o.Resource, o.Name)
}

// Patch is kubectl's command that applies a JSON patch, given as its operations, to an
// object, or to a subresource of it.
func (o Object) Patch(subresource string, operations any) Line {
	if why := o.fault(); why != "" {
		return refuse("%s", why)
	}
	patch, err := ascii(operations)
	if err != nil {
		return refuse("%v", err)
	}
	switch {
	case o.Namespace == "" && subresource == "":
		return Shell("kubectl patch {} {} --type=json -p {}", o.Resource, o.Name, patch)
	case o.Namespace == "":
		return Shell("kubectl patch {} {} --subresource={} --type=json -p {}", o.Resource, o.Name, subresource, patch)
	case subresource == "":
		return Shell("kubectl -n {} patch {} {} --type=json -p {}", o.Namespace, o.Resource, o.Name, patch)
	}
	return Shell("kubectl -n {} patch {} {} --subresource={} --type=json -p {}", o.Namespace, o.Resource, o.Name, subresource, patch)
}

// fault says why an apiserver has no such object. Whoever wrote that name has
// something else in mind than an object.
func (o Object) fault() string {
	if o.Namespace != "" && !label(o.Namespace) {
		return "an apiserver accepts no namespace " + Show(o.Namespace)
	}
	if !subdomain(o.Name) {
		return "an apiserver accepts no " + o.Resource + " " + Show(o.Name)
	}
	return ""
}

// subdomain reports whether a name is an RFC 1123 subdomain: what most kinds, and all
// that commands are printed for, must be called (kubernetes
// staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go
// IsDNS1123Subdomain; a Service's name is narrower).
func subdomain(name string) bool {
	if len(name) > 253 {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if !labelOf(part, 253) {
			return false
		}
	}
	return true
}

// label reports whether a name is an RFC 1123 label, as namespaces are
// (IsDNS1123Label there).
func label(name string) bool { return labelOf(name, 63) }

func labelOf(name string, most int) bool {
	const inside = "abcdefghijklmnopqrstuvwxyz0123456789-"
	return name != "" && len(name) <= most && strings.Trim(name, inside) == "" && name[0] != '-' && name[len(name)-1] != '-'
}
