// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"whohas/snapshot"
	"whohas/source/document"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Kustomize reads what a kustomization makes, as kubectl -k does, in this
// process and without writing anything. o.Paths, o.Recursive and o.Stdin are
// not used. An object's origin is the file that it was made from; it has no
// line, since the object is not as it stands there. A kustomization that does
// not build is in the coverage, Failed. Two calls at once are not allowed:
// kustomize keeps state of its own. The error is that of ctx; a build that runs
// on then (kustomize fetches remote bases) is left behind.
func Kustomize(ctx context.Context, dir string, o Options, into *snapshot.Builder) (document.Result, error) {
	type built struct {
		resources resmap.ResMap
		err       error
	}
	done := make(chan built, 1)
	go func() {
		resources, err := build(dir)
		done <- built{resources, err}
	}()
	var b built
	select {
	case b = <-done:
	case <-ctx.Done():
		b.err = ctx.Err()
	}
	var result document.Result
	if b.err == nil {
		result, b.err = decodeResources(ctx, dir, o, b.resources, into)
	}
	failed := snapshot.Coverage{Source: dir, Status: snapshot.StatusUnreadable, Failed: true}
	switch {
	case ctx.Err() != nil:
		failed.Detail = reason(ctx.Err())
		into.Cover(failed)
	case b.err != nil:
		failed.Detail = "kustomize: " + strings.Join(strings.Fields(b.err.Error()), " ")
		into.Cover(failed)
	case result.Objects == 0 && result.Bad == 0:
		failed.Detail = "holds no kubernetes object"
		into.Cover(failed)
	}
	result.Cover(into, o.Complete)
	return result, ctx.Err()
}

// build runs kustomize as kubectl does.
func build(dir string) (m resmap.ResMap, err error) {
	defer func() {
		if p := recover(); p != nil { // a fault of kustomize's
			err = fmt.Errorf("build fails: %v", p)
		}
	}()
	if err := regularFiles(dir); err != nil {
		return nil, err
	}
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionLegacy
	return krusty.MakeKustomizer(options).Run(withOrigins(withBounds(filesys.MakeFsOnDisk()), dir), dir)
}

// originFS shows the kustomization of one directory as if it asked for the
// annotations that say where each object comes from.
type originFS struct {
	filesys.FileSystem
	files []string // the names that the kustomization may have
}

func withOrigins(fs filesys.FileSystem, dir string) filesys.FileSystem {
	root, _, err := fs.CleanedAbs(dir)
	if err != nil {
		return fs // a URL, or nothing; kustomize says what is wrong
	}
	o := originFS{FileSystem: fs}
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		o.files = append(o.files, root.Join(name))
	}
	return o
}

func (o originFS) ReadFile(path string) ([]byte, error) {
	text, err := o.FileSystem.ReadFile(path)
	if err != nil || !slices.Contains(o.files, path) {
		return text, err
	}
	return askOrigins(text), nil
}

// askOrigins adds to a kustomization's buildMetadata. A text that is no map
// stays as it is: kustomize refuses it in its own words.
func askOrigins(text []byte) []byte {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return text
	}
	root := doc.Content[0]
	origins := &yaml.Node{Kind: yaml.ScalarNode, Value: types.OriginAnnotations}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "buildMetadata" {
			continue
		}
		if list := root.Content[i+1]; list.Kind == yaml.SequenceNode {
			list.Content = append(list.Content, origins)
			return encode(&doc, text)
		}
		return text
	}
	root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "buildMetadata"},
		&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{origins}})
	return encode(&doc, text)
}

func encode(doc *yaml.Node, otherwise []byte) []byte {
	text, err := yaml.Marshal(doc)
	if err != nil {
		return otherwise
	}
	return text
}

func decodeResources(ctx context.Context, dir string, o Options, m resmap.ResMap, into *snapshot.Builder) (document.Result, error) {
	var result document.Result
	for _, r := range m.Resources() {
		file := originOf(dir, r)
		if err := r.SetOrigin(nil); err != nil {
			return result, err
		}
		text, err := r.MarshalJSON()
		if err != nil {
			return result, err
		}
		reading := document.Reading{Reads: o.Reads, Into: into, File: file, Namespace: o.Namespace, Generated: true}
		one, err := reading.Decode(ctx, bytes.NewReader(text))
		result.Add(one)
		if err != nil {
			return result, err
		}
	}
	return result, nil
}

// originOf names the file that a resource was made from, seen from where dir is
// seen from.
func originOf(dir string, r *resource.Resource) string {
	origin, err := r.GetOrigin()
	if err != nil || origin == nil {
		return dir
	}
	path := origin.Path
	if path == "" {
		path = origin.ConfiguredIn // of a generator
	}
	if origin.Repo == "" {
		return filepath.Join(dir, path)
	}
	from := origin.Repo + "//" + path
	if origin.Ref != "" {
		from += "?ref=" + origin.Ref
	}
	return from
}
