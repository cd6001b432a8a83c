// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"whohas/check"
	"whohas/claim"
	"whohas/internal/console"
	"whohas/snapshot"
	"whohas/source/bundle"
	"whohas/source/capture"
	"whohas/source/document"
	"whohas/source/file"
	"whohas/source/kubeconfig"
	"whohas/source/live"
	"whohas/source/manifest"
)

// sources is one set of inputs: those of the world, or those of --base.
type sources struct {
	files, kustomize, bundles []string
	live                      bool
}

// paths takes arguments for files, as kubectl diff and others do that know -f.
func (in *inputs) paths(args []string) error {
	for _, a := range args {
		if a == "" {
			return errors.New("an empty path")
		}
		if _, err := os.Stat(a); err != nil && looksLikeAddress(a) && !strings.Contains(a, "://") {
			if _, wrong := claim.ParseRange(a); wrong == nil {
				return console.WithHint(fmt.Errorf("%s is an address, and no file", a), "whohas %s tells who has it", a)
			}
		}
	}
	in.files = append(in.files, args...)
	return nil
}

// split takes what kubectl takes: several files in one -f, with commas between them. A
// file whose own name has a comma is read by its name.
func split(files []string) []string {
	var out []string
	for _, f := range files {
		if _, err := os.Lstat(f); err == nil || !strings.Contains(f, ",") || strings.Contains(f, "://") {
			out = append(out, f)
			continue
		}
		out = append(out, strings.FieldsFunc(f, func(r rune) bool { return r == ',' })...)
	}
	return out
}

func (in *inputs) sources() sources {
	s := sources{split(in.files), in.kustomize, in.bundles, in.live}
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
	keep, err := check.Reads()
	if err != nil {
		return err
	}
	o := manifest.Options{Recursive: in.recursive, Stdin: e.Stdin, Reads: keep, Namespace: in.kube.Overrides.Context.Namespace, Complete: in.complete}
	p := e.progress()
	defer p.done()
	e.end.during("reading " + s.names())
	whole := ctx
	ctx, cancel := e.end.reading(ctx)
	defer cancel()
	// At once: a source that never answers must not use up the others' time. The
	// errors that are passed over here are those of ctx; the coverage has them.
	var reading sync.WaitGroup
	var cut atomic.Bool
	reading.Go(func() {
		for _, dir := range s.kustomize { // which allows one at a time
			_, _ = manifest.Kustomize(ctx, dir, o, into)
		}
	})
	reading.Go(func() {
		for _, path := range s.bundles {
			readBundle(ctx, path, o, into, p)
		}
	})
	if len(s.files) > 0 {
		reading.Go(func() {
			o := o
			o.Paths, o.Progress, o.Gates = s.files, p.file, len(in.base) > 0
			result, _ := manifest.Read(ctx, o, into)
			cut.Store(result.Cut)
		})
	}
	if s.live {
		err = e.readLive(ctx, in, s, keep, into, p)
	}
	reading.Wait()
	if ended := e.end.ended(whole); ended != nil || !cut.Load() {
		return cmp.Or(ended, err)
	}
	return console.WithHint(fmt.Errorf("%w: there was more to come", e.end.why(context.DeadlineExceeded)), "nothing is said of a part; --timeout gives it more time")
}

// names says what is read, in a few words.
func (s *sources) names() string {
	names := slices.Concat(s.files, s.kustomize, s.bundles)
	if s.live {
		names = append(names, "the cluster")
	}
	if more := len(names) - mostNames; more > 0 {
		names = append(names[:mostNames], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

const mostNames = 3

// readBundle reads a snapshot, a dump, or a folder of both.
func readBundle(ctx context.Context, path string, o manifest.Options, into *snapshot.Builder, p *progress) {
	in, err := sortBundle(path)
	if err != nil {
		into.Cover(snapshot.Coverage{Source: path, Status: snapshot.StatusUnreadable, Detail: reason(err), Failed: true})
		return
	}
	for _, name := range in.snapshots {
		p.file(name)
		readSnapshot(ctx, name, o.Reads, into)
	}
	if in.captures {
		p.file(path)
		readCapture(ctx, path, into)
	}
	if (len(in.snapshots) > 0 || in.captures) && !in.others {
		return
	}
	o.Paths, o.Recursive, o.Progress = []string{path}, true, p.file
	result, _ := manifest.Read(ctx, o, into) // the error is that of ctx
	coverDump(result, into)
}

// coverDump says what a dump holds completely: of kubectl cluster-info dump, the
// kinds that have no namespace, since of the others it may hold two namespaces
// only. It alone writes lists of a kind (NodeList); kubectl get writes plain
// Lists, of which nobody knows by which selector they were made.
func coverDump(r document.Result, into *snapshot.Builder) {
	for k := range r.Listed {
		if !k.Namespaced && r.Continue == "" && r.Bad+r.Odd == 0 {
			into.Cover(snapshot.Coverage{Source: k.Source(), Status: snapshot.StatusRead, Complete: true})
		}
	}
}

// sorted is what a bundle consists of.
type sorted struct {
	snapshots []string
	captures  bool // texts that somebody captured on hosts
	others    bool // files that may be a dump's
}

// sortBundle looks at what a path names, or at everything below it.
func sortBundle(path string) (sorted, error) {
	var in sorted
	info, err := os.Stat(path)
	if err != nil {
		return in, err
	}
	if !info.IsDir() {
		in.add(path, info)
		return in, nil
	}
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // the sources say what could not be read
		}
		if info, err := d.Info(); err == nil && (isSnapshot(p, info) || isCapture(p, info) || isDump(p)) {
			in.add(p, info)
		}
		return nil
	})
	slices.Sort(in.snapshots)
	return in, err
}

func (s *sorted) add(path string, info fs.FileInfo) {
	switch {
	case isSnapshot(path, info):
		s.snapshots = append(s.snapshots, path)
	case isCapture(path, info):
		s.captures = true
	default:
		s.others = true
	}
}

func isDump(path string) bool {
	return slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(path))
}

// mostCapture is what a capture of a large node stays below.
const mostCapture = 64 << 20

func isCapture(path string, info fs.FileInfo) bool {
	if !info.Mode().IsRegular() || info.Size() > mostCapture {
		return false
	}
	text, err := file.Read(path, mostCapture)
	return err == nil && capture.Looks(text)
}

// readCapture reads the texts of one host, or of several: a folder for each.
func readCapture(ctx context.Context, path string, into *snapshot.Builder) {
	hosts, coverage, err := capture.Read(ctx, path)
	for i := range hosts {
		into.AddHost(hosts[i])
	}
	for _, c := range coverage {
		into.Cover(c)
	}
	if err != nil {
		into.Cover(snapshot.Coverage{Source: path, Status: snapshot.StatusUnreadable, Detail: reason(err), Failed: true})
	}
}

func isSnapshot(path string, info fs.FileInfo) bool {
	if !info.Mode().IsRegular() {
		return false
	}
	f, err := file.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, _ := f.Read(head)
	return bundle.Is(head[:n])
}

func readSnapshot(ctx context.Context, name string, reads snapshot.Reads, into *snapshot.Builder) {
	f, err := file.Open(name)
	if err == nil {
		defer f.Close()
		err = bundle.ReadAs(ctx, f, name, reads, into)
	}
	var part *bundle.PartialError // has covered itself, beside what it read
	if err != nil && !errors.As(err, &part) {
		detail := strings.TrimPrefix(reason(err), "read "+name+": ") // Source names it already
		into.Cover(snapshot.Coverage{Source: name, Status: snapshot.StatusUnreadable, Detail: detail, Failed: true})
	}
}

// hintSources is what to do where no cluster can be reached.
const hintSources = "name files with -f, a snapshot or dump with --bundle, or a cluster with --kubeconfig and --context"

func (e *env) readLive(ctx context.Context, in *inputs, s sources, keep snapshot.Reads, into *snapshot.Builder, p *progress) error {
	cfg, err := kubeconfig.Named(&in.kube, agent())
	if err != nil && len(s.files)+len(s.kustomize)+len(s.bundles) > 0 { // they are checked all the same
		into.Cover(snapshot.Coverage{Source: "cluster", Status: snapshot.StatusUnreadable, Detail: "read kubeconfig: " + err.Error(), Failed: true})
		return nil
	}
	if err != nil {
		return console.WithHint(fmt.Errorf("read kubeconfig: %w", err), hintSources)
	}
	o := live.Options{Config: cfg, Reads: keep, Progress: p.kind}
	if ns := in.kube.Overrides.Context.Namespace; ns != "" && !in.everywhere {
		o.Namespaces = []string{ns}
	}
	return live.Read(ctx, o, into)
}

// reason is an error without the path that the coverage line names already.
func reason(err error) string {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case errors.As(err, &pe):
		return pe.Err.Error()
	}
	return err.Error()
}
