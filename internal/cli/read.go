// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"whohas/snapshot"
	"whohas/source/bundle"
	"whohas/source/live"
	"whohas/source/manifest"
)

// sources is one set of inputs: those of the world, or those of --base.
type sources struct {
	files, kustomize, bundles []string
	live                      bool
}

func (in *inputs) sources() sources {
	s := sources{in.files, in.kustomize, in.bundles, in.live}
	if len(s.files)+len(s.kustomize)+len(s.bundles) == 0 {
		s.live = true
	}
	return s
}

// baseSources tells snapshots and dumps from manifests by looking at them.
func (in *inputs) baseSources() sources { return sources{bundles: in.base} }

// read fills the builder. What cannot be read is coverage; an error means that
// the command line makes no sense.
func (e *env) read(ctx context.Context, in *inputs, s sources, into *snapshot.Builder) error {
	keep, err := reads()
	if err != nil {
		return err
	}
	o := manifest.Options{Recursive: in.recursive, Stdin: e.stdin, Reads: keep, Namespace: *in.kube.Namespace, Complete: in.complete}
	p := e.progress()
	defer p.done()
	if len(s.files) > 0 {
		o := o
		o.Paths, o.Progress = s.files, p.file
		if _, err := manifest.Read(ctx, o, into); err != nil {
			return err
		}
	}
	for _, dir := range s.kustomize {
		if _, err := manifest.Kustomize(ctx, dir, o, into); err != nil {
			return err
		}
	}
	for _, path := range s.bundles {
		if err := readBundle(ctx, path, o, into, p); err != nil {
			return err
		}
	}
	if s.live {
		return e.readLive(ctx, in, keep, into, p)
	}
	return nil
}

// readBundle reads a snapshot, a dump, or a folder of both.
func readBundle(ctx context.Context, path string, o manifest.Options, into *snapshot.Builder, p *progress) error {
	snapshots, err := snapshotFiles(path)
	if err != nil {
		into.Cover(snapshot.Coverage{Source: path, Status: snapshot.StatusUnreadable, Detail: reason(err), Failed: true})
		return nil
	}
	for _, file := range snapshots {
		p.file(file)
		readSnapshot(file, into)
	}
	if len(snapshots) > 0 {
		return nil
	}
	o.Paths, o.Recursive, o.Progress = []string{path}, true, p.file
	_, err = manifest.Read(ctx, o, into)
	return err
}

// snapshotFiles lists the snapshots that a path names or that lie below it.
func snapshotFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if isSnapshot(path, info) {
			return []string{path}, nil
		}
		return nil, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // the manifest source says what could not be read
		}
		if info, err := d.Info(); err == nil && isSnapshot(p, info) {
			files = append(files, p)
		}
		return nil
	})
	slices.Sort(files)
	return files, err
}

func isSnapshot(path string, info fs.FileInfo) bool {
	if !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, _ := f.Read(head)
	return bundle.Is(head[:n])
}

func readSnapshot(file string, into *snapshot.Builder) {
	f, err := os.Open(file)
	if err == nil {
		defer f.Close()
		err = bundle.Read(f, file, into)
	}
	if err != nil {
		into.Cover(snapshot.Coverage{Source: file, Status: snapshot.StatusUnreadable, Detail: reason(err), Failed: true})
	}
}

func (e *env) readLive(ctx context.Context, in *inputs, keep snapshot.Reads, into *snapshot.Builder, p *progress) error {
	cfg, err := in.kube.ToRESTConfig()
	if err != nil {
		return withHint(fmt.Errorf("read kubeconfig: %w", err), "name files with -f, a snapshot or dump with --bundle, or a cluster with --kubeconfig and --context")
	}
	cfg.UserAgent = "whohas/" + Version()
	return live.Read(ctx, live.Options{Config: cfg, Reads: keep, Progress: p.kind}, into)
}

// reason is an error without the path that the coverage line names already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
