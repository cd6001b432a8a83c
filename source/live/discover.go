// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"whohas/snapshot"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// target is a wanted kind as this cluster serves it.
type target struct {
	kind       snapshot.Kind
	path       string // "/apis/metallb.io/v1beta1"; "" if it is not served
	resource   string
	namespaced bool
	err        error // why it is not known whether it is served
}

// catalogue is what discovery told of the groups.
type catalogue struct {
	finder *discovery.DiscoveryClient
	limit  time.Duration
	groups map[string][]string // versions, the preferred one first
	lists  map[schema.GroupVersion]*metav1.APIResourceList
	failed map[schema.GroupVersion]error
}

// discover finds the kinds on the server. An error means that it says nothing
// of its groups at all.
func discover(ctx context.Context, finder *discovery.DiscoveryClient, kinds []snapshot.Kind, limit time.Duration) ([]target, error) {
	c := &catalogue{finder: finder, limit: limit, groups: map[string][]string{}}
	if err := c.readGroups(ctx); err != nil {
		return nil, err
	}
	if c.lists == nil { // a server before 1.30, or one behind something older
		c.readLists(ctx, kinds)
	}
	targets := make([]target, len(kinds))
	for i, k := range kinds {
		targets[i] = c.target(k)
	}
	return targets, nil
}

// known are kinds of the core group where every server has them.
func known(kinds []snapshot.Kind) []target {
	targets := make([]target, len(kinds))
	for i, k := range kinds {
		targets[i] = target{kind: k, path: "/api/v1", resource: k.Resource, namespaced: k.Namespaced}
	}
	return targets
}

func (c *catalogue) readGroups(ctx context.Context) error {
	ctx, w := watch(ctx, c.limit)
	defer w.stop()
	groups, lists, failed, err := c.finder.GroupsAndMaybeResourcesWithContext(ctx)
	if err != nil {
		return w.cause(c.inFull(ctx, err))
	}
	c.lists, c.failed = lists, failed
	for _, g := range groups.Groups {
		if versions := versionsOf(g); len(versions) > 0 {
			c.groups[g.Name] = versions
		}
	}
	if len(c.groups) == 0 {
		return errors.New("the server serves no API group")
	}
	return nil
}

// inFull asks again for what the server says to a refusal, which discovery
// drops.
func (c *catalogue) inFull(ctx context.Context, err error) error {
	if apierrors.ReasonForError(err) == metav1.StatusReasonUnknown {
		return err // not from the server
	}
	for _, path := range []string{"/api", "/apis"} {
		if said := c.finder.RESTClient().Get().AbsPath(path).Do(ctx).Error(); said != nil {
			return said
		}
	}
	return err
}

// versionsOf lists a group's versions, the preferred one first.
func versionsOf(g metav1.APIGroup) []string {
	var versions []string
	for _, v := range append([]metav1.GroupVersionForDiscovery{g.PreferredVersion}, g.Versions...) {
		if v.Version != "" && !slices.Contains(versions, v.Version) {
			versions = append(versions, v.Version)
		}
	}
	return versions
}

// readLists asks an older server what each group holds: only the groups that
// somebody wants, where kubectl would ask for all.
func (c *catalogue) readLists(ctx context.Context, kinds []snapshot.Kind) {
	c.lists = map[schema.GroupVersion]*metav1.APIResourceList{}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, gv := range c.wanted(kinds) {
		asking.Go(func() {
			list, err := c.readList(ctx, gv)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				c.lists[gv] = list
			case !apierrors.IsNotFound(err): // removed meanwhile
				c.failed[gv] = err
			}
		})
	}
	asking.Wait()
}

func (c *catalogue) wanted(kinds []snapshot.Kind) []schema.GroupVersion {
	var all []schema.GroupVersion
	for _, k := range kinds {
		for _, v := range c.groups[k.Group] {
			if gv := (schema.GroupVersion{Group: k.Group, Version: v}); !slices.Contains(all, gv) {
				all = append(all, gv)
			}
		}
	}
	return all
}

func (c *catalogue) readList(ctx context.Context, gv schema.GroupVersion) (*metav1.APIResourceList, error) {
	ctx, w := watch(ctx, c.limit)
	defer w.stop()
	list, err := c.finder.ServerResourcesForGroupVersionWithContext(ctx, gv.String())
	return list, w.cause(err)
}

// target finds a kind in the first version of its group that serves it, the
// preferred one before all others.
func (c *catalogue) target(k snapshot.Kind) target {
	t := target{kind: k}
	for _, v := range c.groups[k.Group] {
		gv := schema.GroupVersion{Group: k.Group, Version: v}
		if r := find(c.lists[gv], k.Kind); r != nil {
			t.path, t.resource, t.namespaced = "/apis/"+gv.String(), r.Name, r.Namespaced
			if k.Group == "" {
				t.path = "/api/" + v
			}
			return t
		}
	}
	// Not found, but some version of the group did not say what it serves.
	for gv, err := range c.failed {
		if gv.Group == k.Group {
			t.err = fmt.Errorf("discovery of %s: %w", gv, err)
		}
	}
	return t
}

func find(list *metav1.APIResourceList, kind string) *metav1.APIResource {
	if list == nil {
		return nil
	}
	for i, r := range list.APIResources {
		if r.Kind == kind && slices.Contains(r.Verbs, "list") { // no subresource has it
			return &list.APIResources[i]
		}
	}
	return nil
}
