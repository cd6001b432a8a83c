// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"whohas/dataplane"
	"whohas/snapshot"
)

// reading is a host that is being read.
type reading struct {
	ctx      context.Context
	options  Options
	timeout  time.Duration
	host     dataplane.Host
	coverage []snapshot.Coverage
}

func newReading(ctx context.Context, o Options) *reading {
	return &reading{ctx: ctx, options: o, timeout: cmp.Or(o.Timeout, defaultTimeout), host: dataplane.Host{Name: o.name()}}
}

// absent says that there is nothing to read, which is known: no such thing is in
// this kernel.
type absent struct{ why string }

func (e absent) Error() string { return e.why }

// partial says that something was read, and not all.
type partial struct{ why string }

func (e partial) Error() string { return e.why }

// missing says that a tool is not there without which nothing can be read.
type missing struct{ why string }

func (e missing) Error() string { return e.why }

var errSkipped = missing{"left out"}

// changed is data that did not stand still.
var changed = partial{"changed while it was read"}

// section reads one section, in its own time. Its function gives the number of
// entries, also beside an error.
func (r *reading) section(name string, read func(context.Context) (int, error)) {
	if slices.Contains(r.options.Skip, name) {
		r.cover(name, 0, errSkipped)
		return
	}
	if r.options.Progress != nil {
		r.options.Progress(name)
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		r.cover(name, 0, err)
		return
	}
	n, err := read(ctx)
	if err != nil && ctx.Err() != nil { // whatever a call made of it
		err = ctx.Err()
	}
	r.cover(name, n, err)
}

// cover writes down what became of a section.
func (r *reading) cover(name string, count int, err error) {
	c := snapshot.Coverage{Source: "host " + r.host.Name + " " + name, Status: snapshot.StatusRead, Count: count, Complete: true}
	if err != nil {
		c.Status, c.Detail = statusOf(err), r.detail(err)
		c.Complete = errors.As(err, new(absent))
	}
	if !c.Complete {
		r.host.Unread = append(r.host.Unread, name)
	}
	r.coverage = append(r.coverage, c)
}

func statusOf(err error) snapshot.Status {
	switch {
	case errors.As(err, new(absent)), errors.As(err, new(missing)):
		return snapshot.StatusAbsent
	case errors.As(err, new(partial)):
		return snapshot.StatusPartial
	case errors.Is(err, fs.ErrPermission):
		return snapshot.StatusDenied
	}
	return snapshot.StatusUnreadable
}

func (r *reading) detail(err error) string {
	switch {
	case errors.As(err, new(partial)), errors.As(err, new(missing)), errors.As(err, new(absent)):
		return err.Error()
	case errors.Is(err, fs.ErrPermission):
		return "not permitted: needs root"
	case r.ctx.Err() != nil:
		return "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("took longer than %v", r.timeout)
	}
	return err.Error()
}
