// SPDX-License-Identifier: Apache-2.0

package withdraw

import (
	"cmp"
	"slices"
	"strings"
)

// tools are the field managers of people. Who names none is known by its user agent
// up to the first slash, so by the name of its program (kubernetes apiserver
// pkg/endpoints/handlers/create.go, managerOrUserAgent). "hashicorp" is Terraform's
// provider.
var tools = []string{"kubectl", "oc", "k9s", "helm", "terraform", "hashicorp", "curl", "lab", "whohas"}

// controllers are in the names of those that write addresses by themselves,
// whatever field it is.
var controllers = []string{
	"controller-manager", "metallb", "cilium-operator", "kube-vip", "servicelb", "klipper-lb", "purelb", "lbnodeagent", "openelb",
}

// isTool reports whether a field manager is a person's.
func isTool(manager string) bool {
	m := strings.ToLower(manager)
	return strings.HasPrefix(m, "kubectl-") || slices.Contains(tools, m)
}

// controller names the controller among those who wrote a value. In a status
// everybody is one who is not known as a tool: MetalLB's is called "controller",
// PureLB's "allocator". An empty name is a writer that is not known.
func controller(writers []string, status bool) (name string, is bool) {
	for _, w := range writers {
		known := slices.ContainsFunc(controllers, func(c string) bool { return strings.Contains(strings.ToLower(w), c) })
		if !isTool(w) && (status || known || strings.EqualFold(w, "k3s")) {
			return cmp.Or(clean(w), "a writer that is not known"), true
		}
	}
	return "", false
}

// writersOf lists the managers of a field, as the object tells: several may have
// written the same value. It is asked of the object and not only of the claimant,
// which may be old, or another claim of the same object.
func writersOf(obj any, pointer string) []string {
	entries, _ := lookup(obj, []string{"metadata", "managedFields"})
	list, _ := entries.([]any)
	var names []string
	for _, entry := range list {
		fields, _ := lookup(entry, []string{"fieldsV1"})
		name, _ := lookup(entry, []string{"manager"})
		text, ok := name.(string)
		if ok && manages(fields, keysOf(pointer)) && !slices.Contains(names, text) {
			names = append(names, text)
		}
	}
	slices.Sort(names)
	return names
}

// manages reports whether a set of fields holds the field: a list is managed as a
// whole where it is atomic, as those of addresses are, so its items are not asked
// for. A map without keys is a field further up that is atomic.
func manages(fields any, keys []string) bool {
	for i, k := range keys {
		set, ok := fields.(map[string]any)
		if !ok {
			return false
		}
		if i > 0 && (len(set) == 0 || isIndex(k)) {
			return true
		}
		if fields, ok = set["f:"+k]; !ok {
			return false
		}
	}
	return true
}

func isIndex(key string) bool { return key != "" && strings.Trim(key, "0123456789") == "" }
