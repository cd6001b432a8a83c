// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"strings"

	"whohas/snapshot"
)

// trace finds since when and through whom the claim stands: the manager of the
// claiming field, else the object's creation.
func (c *Claimant) trace(objects Source) {
	for _, o := range objects.Of(c.By) {
		if o.File != c.Origin.File {
			continue
		}
		if m, ok := o.ManagerOf(managedKeys(c.Origin.Field)...); ok {
			c.Since, c.Writer = m.Time, m.Name
		} else {
			c.Since = o.Created()
		}
		c.Keeper = keeper(o)
		return
	}
}

// managedKeys is the part of a field's path that managedFields tell apart: the
// keys before the first list.
func managedKeys(path string) []string {
	var keys []string
	for _, k := range snapshot.PathKeys(path) {
		if k != "" && strings.Trim(k, "0123456789") == "" {
			break
		}
		keys = append(keys, k)
	}
	return keys
}

// keeperSigns are the labels and annotations by which the tools that reconcile
// objects mark them.
var keeperSigns = []struct{ section, key, tool string }{
	{"annotations", "meta.helm.sh/release-name", "Helm release"},
	{"annotations", "argocd.argoproj.io/tracking-id", "Argo CD application"},
	{"labels", "argocd.argoproj.io/instance", "Argo CD application"},
	{"labels", "kustomize.toolkit.fluxcd.io/name", "Flux Kustomization"},
	{"labels", "helm.toolkit.fluxcd.io/name", "Flux HelmRelease"},
	{"annotations", "objectset.rio.cattle.io/id", "Rancher Fleet or k3s object set"},
	{"annotations", "field.cattle.io/publicEndpoints", "Rancher"},
	{"labels", "app.kubernetes.io/managed-by", "manager"},
}

// KeeperFields are the fields that tell who reconciles an object.
func KeeperFields() []string {
	fields := make([]string, len(keeperSigns))
	for i, s := range keeperSigns {
		fields[i] = "metadata." + s.section + "." + s.key
	}
	return fields
}

// keeper names who would put a field back after an edit by hand, or "".
func keeper(o *snapshot.Object) string {
	for _, s := range keeperSigns {
		v := o.Root.Get("metadata", s.section, s.key).Text
		if v == "" {
			continue
		}
		if s.tool == "Argo CD application" {
			v, _, _ = strings.Cut(v, ":")
		}
		if s.tool == "Rancher" {
			return "Rancher"
		}
		return s.tool + " " + v
	}
	if c := o.Controller(); !c.IsZero() {
		return c.String()
	}
	return ""
}
