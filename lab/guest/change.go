// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"whohas/lab"
)

// resources are the kinds that scenarios use; asking the apiserver what it has
// would cost seconds on a slow kernel.
var resources = map[string]struct {
	schema.GroupVersionResource
	namespaced bool
}{
	"Service":       {schema.GroupVersionResource{Version: "v1", Resource: "services"}, true},
	"ConfigMap":     {schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, true},
	"Namespace":     {schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, false},
	"Node":          {schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, false},
	"EndpointSlice": {schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}, true},
}

// manager is who the apiserver says has written a field.
const manager = "lab"

func (x *executor) applySection(ctx context.Context, s lab.Step) error {
	return x.apply(ctx, x.scenario.Files[s.Args[0]])
}

func (x *executor) delete(ctx context.Context, s lab.Step) error {
	at, name, _, err := x.find(s.Args[0], s.Args[1])
	if err != nil {
		return err
	}
	return at.Delete(ctx, name, metav1.DeleteOptions{})
}

func (x *executor) patch(ctx context.Context, s lab.Step) error {
	at, name, sub, err := x.find(s.Args[0], s.Args[1])
	if err != nil {
		return err
	}
	_, err = at.Patch(ctx, name, types.MergePatchType, []byte(strings.Join(s.Args[2:], " ")), metav1.PatchOptions{FieldManager: manager}, sub...)
	return err
}

// find gives the way to an object: "Service/status", "demo/tomcat".
func (x *executor) find(kind, name string) (at dynamic.ResourceInterface, base string, sub []string, err error) {
	kind, status, _ := strings.Cut(kind, "/")
	if status != "" {
		sub = []string{status}
	}
	resource, ok := resources[kind]
	if !ok {
		return nil, "", nil, fmt.Errorf("kind %s: the lab does not know it", kind)
	}
	namespace, base, ok := strings.Cut(name, "/")
	if !ok {
		return x.cluster.Client.Resource(resource.GroupVersionResource), name, sub, nil
	}
	return x.cluster.Client.Resource(resource.GroupVersionResource).Namespace(namespace), base, sub, nil
}

// apply applies every object of a text, on the server's side.
func (x *executor) apply(ctx context.Context, text string) error {
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 1<<12)
	for {
		var o unstructured.Unstructured
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read objects: %w", err)
		}
		if err := x.applyOne(ctx, &o); err != nil {
			return err
		}
	}
}

func (x *executor) applyOne(ctx context.Context, o *unstructured.Unstructured) error {
	name := o.GetName()
	if resources[o.GetKind()].namespaced {
		if err := x.namespace(ctx, o.GetNamespace()); err != nil {
			return err
		}
		name = o.GetNamespace() + "/" + name
	}
	at, base, _, err := x.find(o.GetKind(), name)
	if err != nil {
		return err
	}
	_, err = at.Apply(ctx, base, o, metav1.ApplyOptions{FieldManager: manager, Force: true})
	return err
}

// namespace makes a namespace that is not there yet.
func (x *executor) namespace(ctx context.Context, name string) error {
	if name == "default" {
		return nil
	}
	n := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
	_, err := x.cluster.Client.Resource(resources["Namespace"].GroupVersionResource).Create(ctx, n, metav1.CreateOptions{FieldManager: manager})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
