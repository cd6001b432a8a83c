// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"sync"
	"time"

	"whohas/snapshot"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// target is a wanted kind as this cluster serves it.
type target struct {
	kind       snapshot.Kind
	path       string // "/apis/metallb.io/v1beta1"; "" if it is not served
	resource   string
	namespaced bool
	err        error // why it is not known whether it is served
}

// resource is one that can be listed.
type resource struct {
	kind, name string
	namespaced bool
}

// catalogue is what an apiserver says that it serves. client-go's discovery asks the same
// (discovery/discovery_client.go), and brings every typed API of Kubernetes into the
// program: 16 MB, and their initialisation at each start (decision 0027).
type catalogue struct {
	client *rest.RESTClient
	limit  time.Duration
	groups map[string][]string // versions, the preferred one first
	lists  map[schema.GroupVersion][]resource
	failed map[schema.GroupVersion]error
}

// discover finds the kinds on the server. An error means that it says nothing
// of its groups at all.
func discover(ctx context.Context, client *rest.RESTClient, kinds []snapshot.Kind, limit time.Duration) ([]target, error) {
	c := newCatalogue(client, limit)
	together, err := c.readGroups(ctx)
	if err != nil {
		return nil, err
	}
	if !together { // a server before 1.30, or one behind something older
		c.readLists(ctx, kinds)
	}
	targets := make([]target, len(kinds))
	for i, k := range kinds {
		targets[i] = c.target(k)
	}
	return targets, nil
}

func newCatalogue(client *rest.RESTClient, limit time.Duration) *catalogue {
	return &catalogue{client: client, limit: limit, groups: map[string][]string{}, lists: map[schema.GroupVersion][]resource{}, failed: map[schema.GroupVersion]error{}}
}

// known are kinds of the core group where every server has them.
func known(kinds []snapshot.Kind) []target {
	targets := make([]target, len(kinds))
	for i, k := range kinds {
		targets[i] = target{kind: k, path: "/api/v1", resource: k.Resource, namespaced: k.Namespaced}
	}
	return targets
}

// readGroups asks which groups there are, and reports whether the server has said together
// with them what they hold.
func (c *catalogue) readGroups(ctx context.Context) (together bool, err error) {
	ctx, w := watch(ctx, c.limit)
	defer w.stop()
	together = true
	for _, path := range []string{"/api", "/apis"} {
		text, whole, err := c.ask(ctx, path)
		switch {
		case path == "/api" && apierrors.IsNotFound(err): // it has no core group
			continue
		case err != nil:
			return false, w.cause(err)
		case whole:
			err = c.addWhole(text)
		default:
			together = false
			err = c.addGroups(text)
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", path, err)
		}
	}
	if len(c.groups) == 0 && len(c.failed) == 0 {
		return false, errors.New("the server serves no API group")
	}
	return together, nil
}

// aggregated is the one document that holds what all groups hold (Kubernetes 1.30,
// k8s.io/api/apidiscovery/v2).
var aggregated = map[string]string{"g": "apidiscovery.k8s.io", "v": "v2", "as": "APIGroupDiscoveryList"}

// ask gets what stands at a path; whole: the aggregated form of it.
func (c *catalogue) ask(ctx context.Context, path string) (text []byte, whole bool, err error) {
	var form string
	r := c.client.Get().AbsPath(path).SetHeader("Accept", mime.FormatMediaType(runtime.ContentTypeJSON, aggregated)+","+runtime.ContentTypeJSON).Do(ctx).ContentType(&form)
	if err := r.Error(); err != nil { // with the server's own words, where Raw has none
		return nil, false, err
	}
	text, err = r.Raw()
	_, params, _ := mime.ParseMediaType(form)
	return text, maps.Equal(params, aggregated), err
}

// addWhole takes the aggregated form. Of a version that the server calls stale it does not
// know what it holds: what serves that one does not answer.
func (c *catalogue) addWhole(text []byte) error {
	var said apidiscovery.APIGroupDiscoveryList
	if err := json.Unmarshal(text, &said); err != nil {
		return err
	}
	for _, g := range said.Items {
		for _, v := range g.Versions {
			gv := schema.GroupVersion{Group: g.Name, Version: v.Version}
			if v.Freshness == apidiscovery.DiscoveryFreshnessStale {
				c.failed[gv] = errors.New("the server is not current: what serves it does not answer")
				continue
			}
			c.groups[g.Name] = append(c.groups[g.Name], v.Version)
			for _, r := range v.Resources {
				if r.ResponseKind != nil && slices.Contains(r.Verbs, "list") {
					c.lists[gv] = append(c.lists[gv], resource{r.ResponseKind.Kind, r.Resource, r.Scope == apidiscovery.ScopeNamespace})
				}
			}
		}
	}
	return nil
}

// addGroups takes the older form: the core group's versions, or the groups with theirs.
func (c *catalogue) addGroups(text []byte) error {
	var said struct {
		Versions []string
		Groups   []metav1.APIGroup
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return err
	}
	if len(said.Versions) > 0 {
		c.groups[""] = said.Versions
	}
	for _, g := range said.Groups {
		if versions := versionsOf(g); len(versions) > 0 {
			c.groups[g.Name] = versions
		}
	}
	return nil
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

func (c *catalogue) readList(ctx context.Context, gv schema.GroupVersion) ([]resource, error) {
	ctx, w := watch(ctx, c.limit)
	defer w.stop()
	text, _, err := c.ask(ctx, pathOf(gv))
	if err != nil {
		return nil, w.cause(err)
	}
	var said metav1.APIResourceList
	if err := json.Unmarshal(text, &said); err != nil {
		return nil, err
	}
	var list []resource
	for _, r := range said.APIResources {
		if slices.Contains(r.Verbs, "list") { // no subresource has it
			list = append(list, resource{r.Kind, r.Name, r.Namespaced})
		}
	}
	return list, nil
}

// pathOf is where a version of a group is served.
func pathOf(gv schema.GroupVersion) string {
	if gv.Group == "" {
		return "/api/" + gv.Version
	}
	return "/apis/" + gv.String()
}

// target finds a kind in the first version of its group that serves it, the
// preferred one before all others.
func (c *catalogue) target(k snapshot.Kind) target {
	t := target{kind: k}
	for _, v := range c.groups[k.Group] {
		gv := schema.GroupVersion{Group: k.Group, Version: v}
		for _, r := range c.lists[gv] {
			if r.kind == k.Kind {
				t.path, t.resource, t.namespaced = pathOf(gv), r.name, r.namespaced
				return t
			}
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
