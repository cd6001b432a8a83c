// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/client-go/rest"

	"whohas/snapshot"
)

// Served lists what can be listed of some kinds' groups, one line each, preferred versions first.
func Served(ctx context.Context, cfg *rest.Config, kinds []snapshot.Kind) ([]string, error) {
	_, finder, err := connect(cfg)
	if err != nil {
		return nil, err
	}
	c := newCatalogue(finder, time.Minute)
	together, err := c.readGroups(ctx)
	if !together && err == nil {
		c.readLists(ctx, kinds)
	}
	var out []string
	for gv, list := range c.lists {
		for _, r := range list {
			out = append(out, fmt.Sprintf("%s preferred=%t %s %s %t", gv, c.groups[gv.Group][0] == gv.Version, r.kind, r.name, r.namespaced))
		}
	}
	slices.Sort(out)
	return out, err
}
