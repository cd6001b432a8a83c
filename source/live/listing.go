// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"whohas/snapshot"
	"whohas/source/document"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// listing reads the objects of one kind.
type listing struct {
	*reader
	target
	count int
	bad   int               // objects that could not be decoded
	part  *snapshot.Builder // of the list under way: one that starts again is thrown away
}

// readAll lists all namespaces at once or, where that is forbidden, those that
// were named.
func (l *listing) readAll(ctx context.Context) snapshot.Coverage {
	err := l.list(ctx, path.Join(l.path, l.resource))
	if apierrors.IsForbidden(err) && l.namespaced && len(l.Namespaces) > 0 {
		return l.readNamespaces(ctx, err)
	}
	return l.covered(err)
}

func (l *listing) readNamespaces(ctx context.Context, forbidden error) snapshot.Coverage {
	var read []string
	var failed error
	for _, ns := range l.Namespaces {
		switch err := l.list(ctx, path.Join(l.path, "namespaces", ns, l.resource)); {
		case err == nil:
			read = append(read, ns)
		case !apierrors.IsForbidden(err):
			failed = err
		}
	}
	switch {
	case failed != nil:
		return l.covered(failed)
	case read == nil:
		return l.covered(forbidden)
	}
	c := l.covered(nil)
	c.Status, c.Complete, c.Detail = snapshot.StatusPartial, false, "only in "+strings.Join(read, ", ")
	return c
}

// readNames gets the only objects of a kind that are wanted.
func (l *listing) readNames(ctx context.Context) snapshot.Coverage {
	var worst error
	for _, name := range l.Reads.Names(l.kind) {
		ns, name, _ := strings.Cut(name, "/")
		if (ns != "") != l.namespaced {
			continue
		}
		p := path.Join(l.path, l.resource, name)
		if ns != "" {
			p = path.Join(l.path, "namespaces", ns, l.resource, name)
		}
		if err := l.get(ctx, p); err != nil && !apierrors.IsNotFound(err) && (worst == nil || apierrors.IsForbidden(worst)) {
			worst = err
		}
	}
	return l.covered(worst)
}

func (l *listing) get(ctx context.Context, at string) error {
	l.part = new(snapshot.Builder)
	res, err := l.request(ctx, at, nil)
	if err == nil && res.Objects == 0 && res.Bad == 0 {
		err = fmt.Errorf("the answer is no %s", l.kind.Kind)
	}
	l.take(res)
	l.deliver()
	return err
}

// list reads a list page by page. A list whose token has expired goes on at
// another moment, with the token that the server gives for that, or begins
// again; a second time it ends there.
func (l *listing) list(ctx context.Context, at string) error {
	l.part = new(snapshot.Builder)
	defer l.deliver()
	before := l.count
	token, expired := "", false
	for {
		res, err := l.page(ctx, at, token)
		l.take(res)
		switch next, gone := anotherMoment(err); {
		case gone && !expired:
			expired, token = true, next
			if next == "" {
				l.part, l.count, l.bad = new(snapshot.Builder), before, 0
			}
			continue
		case err != nil:
			return err
		case res.Continue == "":
			return nil
		case res.Continue == token:
			return errors.New("the server gives the same page again and again")
		}
		token = res.Continue
	}
}

// anotherMoment reports whether a list's token has expired, and with which token
// it may go on.
func anotherMoment(err error) (token string, gone bool) {
	var status *apierrors.StatusError
	if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) || !errors.As(err, &status) {
		return "", false
	}
	return status.ErrStatus.Continue, true
}

func (l *listing) page(ctx context.Context, at, token string) (document.Result, error) {
	// No resourceVersion, as kubectl: the list is what is stored now. "0" would
	// be cheaper for the server, but gives what its cache holds, which may be
	// older than what another server of the cluster showed a moment ago; and
	// servers before 1.31 pass over the limit then, and send all at once.
	params := map[string]string{"limit": strconv.FormatInt(l.PageSize, 10)}
	if token != "" {
		params["continue"] = token
	}
	res, err := l.request(ctx, at, params)
	if err == nil && !l.isList(res) {
		err = fmt.Errorf("the answer is no list of %s", l.resource)
	}
	return res, err
}

// isList reports whether an answer was a list of the kind. Some aggregated servers
// write an empty one without items, which decodes as an object of its own.
func (l *listing) isList(res document.Result) bool {
	name := l.kind.Kind + "List"
	if l.kind.Group != "" {
		name += "." + l.kind.Group
	}
	_, listed := res.Kept[l.kind]
	return listed || res.Other[name] > 0
}

// request decodes an answer while it arrives.
func (l *listing) request(ctx context.Context, at string, params map[string]string) (document.Result, error) {
	asking, w := watch(ctx, l.Idle)
	defer w.stop()
	req := l.client.Get().AbsPath(at).SetHeader("Accept", "application/json")
	for k, v := range params {
		req.Param(k, v)
	}
	body, err := req.Stream(asking)
	if err != nil {
		return document.Result{}, w.cause(err)
	}
	defer func() { _ = body.Close() }()
	// Not under the request's own context: when that ends, so does the body, and
	// what came before is kept.
	res, err := document.Reading{Reads: l.Reads, Into: l.part}.Decode(ctx, w.reading(body))
	return res, w.cause(err)
}

// take counts what an answer held.
func (l *listing) take(res document.Result) {
	l.count += res.Kept[l.kind]
	l.bad += res.Bad
	l.progress(l.kind, l.count)
}

// deliver hands over what was read. A stream from a server has no lines.
func (l *listing) deliver() {
	s := l.part.Snapshot()
	l.into.Expect(len(s.Objects), len(s.Pods), len(s.Slices))
	for _, o := range s.Objects {
		o.Line = 0
		unlined(&o.Root)
		l.into.AddObject(o)
	}
	for _, p := range s.Pods {
		p.Line = 0
		l.into.AddPod(p)
	}
	for _, e := range s.Slices {
		e.Line = 0
		l.into.AddSlice(e)
	}
	for _, c := range s.Coverage {
		c.Source, c.Line = l.kind.Source(), 0
		l.into.Cover(c)
	}
}

// unlined takes the lines from a tree that nobody else has seen yet.
func unlined(v *snapshot.Value) {
	v.Line = 0
	for i := range v.Items {
		unlined(&v.Items[i])
	}
}

// covered tells what came of it.
func (l *listing) covered(err error) snapshot.Coverage {
	c := snapshot.Coverage{Source: l.kind.Source(), Status: snapshot.StatusRead, Count: l.count, Complete: true}
	switch {
	case err == nil && l.bad == 0:
		return c
	case err == nil:
		c.Status, c.Complete, c.Failed, c.Detail = snapshot.StatusPartial, false, true, fmt.Sprintf("%d objects could not be decoded", l.bad)
		return c
	case apierrors.IsNotFound(err):
		return l.absent() // removed meanwhile
	}
	f := faultOf(err)
	c.Status, c.Complete, c.Failed, c.Detail = f.status, false, f.failed, f.detail
	if l.count > 0 {
		c.Status = snapshot.StatusPartial
	}
	return c
}
