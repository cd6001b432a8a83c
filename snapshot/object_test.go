// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whohas/snapshot"
)

func TestManagerOf(t *testing.T) {
	entry := func(manager, at string, set snapshot.Value) snapshot.Value {
		return fields("manager", manager, "operation", "Update", "time", at, "fieldsV1", set)
	}
	none := fields()
	o := &snapshot.Object{Root: fields("metadata", fields("managedFields", list(
		entry("helm", "2026-01-01T00:00:00Z", fields("f:spec", fields("f:externalIPs", none, "f:type", none))),
		entry("kubectl-edit", "2026-03-01T00:00:00Z", fields("f:spec", fields("f:externalIPs", none))),
		entry("argocd", "2026-02-01T00:00:00Z", fields("f:spec", fields("f:externalIPs", none, "f:ports", fields("f:a", none)))),
		entry("metallb", "2026-04-01T00:00:00Z", fields("f:status", fields("f:loadBalancer", none))),
		entry("nobody", "2026-05-01T00:00:00Z", none),
		entry("later", "no time", fields("f:spec", fields("f:type", none, "f:clusterIP", none))),
	)))}
	at := func(month time.Month) time.Time { return time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC) }
	for keys, want := range map[string]snapshot.Manager{
		"spec externalIPs":            {Name: "kubectl-edit", Operation: "Update", Time: at(3)},
		"spec type":                   {Name: "helm", Operation: "Update", Time: at(1)},
		"spec clusterIP":              {Name: "later", Operation: "Update"},
		"status loadBalancer ingress": {Name: "metallb", Operation: "Update", Time: at(4)}, // of an atomic map above
		"spec externalIPs x":          {Name: "kubectl-edit", Operation: "Update", Time: at(3)},
		"spec ports a":                {Name: "argocd", Operation: "Update", Time: at(2)},
		"spec ports b":                {}, // the map above is not atomic: it lists its fields
		"spec other":                  {},
		"data":                        {},
	} {
		got, ok := o.ManagerOf(strings.Fields(keys)...)
		if diff := cmp.Diff(want, got); diff != "" || ok != (want.Name != "") {
			t.Errorf("%s: found %v (-want +got)\n%s", keys, ok, diff)
		}
	}
	if got, ok := new(snapshot.Object).ManagerOf("spec"); ok {
		t.Errorf("an object without managedFields is managed by %v", got)
	}
}
