// SPDX-License-Identifier: Apache-2.0

// Package withdraw takes claims away at the API, keeps what is needed to put them
// back, and sees whether that helped.
//
// Of an object only the offending value goes, by a JSON patch that tests first that
// the object is still the one that was read and the value still stands where it
// stood. Before a patch is sent its inverse is on the disk.
package withdraw

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"whohas/repair"
	"whohas/snapshot"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// Options tell what to take away. Config and UndoFile must be given; a dry run
// needs no file.
type Options struct {
	Config      *rest.Config // not changed
	Withdrawals []repair.Withdrawal

	// UndoFile is made before the first patch and brought up to date before and
	// after each. One that is there already is not touched: it may hold the only
	// way back. If nothing was taken away there is none at the end.
	UndoFile string

	// DryRun lets the server do everything but store it: permission, the tests
	// and admission are really asked.
	DryRun bool

	Tell func(Event) // what happens, as it happens; may be nil
}

// Event is one line about what happens.
type Event struct {
	On      snapshot.Ref // the object; zero if it is about none
	Warning bool
	Text    string
}

// Result is what became of one withdrawal.
type Result string

// The results. Denied, Controllers and Changed left the object alone; Failed may
// have not, if no answer came.
const (
	Done        Result = "done"
	Gone        Result = "already gone"
	Changed     Result = "changed meanwhile"
	Denied      Result = "denied"
	Controllers Result = "a controller's"
	Failed      Result = "failed"
)

// Item is one withdrawal with what became of it.
type Item struct {
	repair.Withdrawal
	Result     Result
	Controller string // who wrote the value, of Controllers
	Detail     string // why, in a sentence; "" of Done
}

// Outcome is what became of the withdrawals, in their order.
type Outcome struct {
	DryRun bool
	Items  []Item
}

// Withdrawn lists those whose value should now be gone: what Verify looks for.
func (o Outcome) Withdrawn() []repair.Withdrawal {
	var out []repair.Withdrawal
	for _, i := range o.Items {
		if i.Result == Done || i.Result == Gone {
			out = append(out, i.Withdrawal)
		}
	}
	return out
}

// Withdraw takes the claims away, one after the other. What became of each is in
// the Outcome; an error means that the rest was not tried, because the
// configuration makes no sense, the undo file cannot be kept, or ctx is over.
func Withdraw(ctx context.Context, o Options) (Outcome, error) {
	out := Outcome{DryRun: o.DryRun}
	c, err := connect(o.Config)
	if err != nil {
		return out, fmt.Errorf("connect to the cluster: %w", err)
	}
	kept, err := keep(o, c.server)
	if err != nil {
		return out, err
	}
	w := &worker{Options: o, client: c, kept: kept}
	for _, one := range o.Withdrawals {
		if ctx.Err() != nil {
			return out, errors.Join(context.Cause(ctx), kept.close())
		}
		item, err := w.withdraw(quiet(ctx), one)
		out.Items = append(out.Items, item)
		if err != nil {
			return out, errors.Join(err, kept.close())
		}
	}
	return out, kept.close()
}

// worker carries what all withdrawals share.
type worker struct {
	Options
	client *client
	kept   *keeping
}

func (w *worker) tell(on snapshot.Ref, warning bool, format string, args ...any) {
	tell(w.Tell, Event{On: on, Warning: warning, Text: fmt.Sprintf(format, args...)})
}

func tell(to func(Event), e Event) {
	if to != nil {
		to(e)
	}
}

// withdraw does one and tells of it. An error is one of the undo file.
func (w *worker) withdraw(ctx context.Context, one repair.Withdrawal) (Item, error) {
	item, writers, err := w.try(ctx, one)
	item.Withdrawal = one
	switch {
	case item.Result == Done && w.DryRun:
		w.tell(one.On, false, "%s would be removed", what(one.Edit))
	case item.Result == Done:
		w.tell(one.On, false, "%s is removed", what(one.Edit))
	case item.Result == Gone:
		w.tell(one.On, false, "%s: %s", what(one.Edit), item.Detail)
	default:
		w.tell(one.On, true, "%s: not removed: %s", what(one.Edit), item.Detail)
	}
	if item.Result == Done {
		w.warn(one, writers)
	}
	return item, err
}

// warn names who will put the value back.
func (w *worker) warn(one repair.Withdrawal, writers []string) {
	if k := one.Claimant.Keeper; k != "" {
		w.tell(one.On, true, "%s will put it back: change it there as well", clean(k))
		return
	}
	for _, name := range writers {
		if name != "" && !isTool(name) {
			w.tell(one.On, true, "%s wrote it and may put it back", clean(name))
		}
	}
}

// try does one, and tells who had written the value.
func (w *worker) try(ctx context.Context, one repair.Withdrawal) (Item, []string, error) {
	if one.Host != nil || one.Delete || len(one.Ops) == 0 {
		return Item{Result: Failed, Detail: "this is no change of a field at the API"}, nil, nil
	}
	at, obj, err := w.client.find(ctx, one.Kind, one.On)
	if err != nil {
		return fault(err), nil, nil
	}
	p, moved := planned(obj, one.Edit)
	if moved != nil {
		return standing(obj, one.Edit, moved), nil, nil
	}
	writers := writersOf(obj, one.Ops[0].Path)
	if len(writers) == 0 {
		writers = []string{one.Claimant.Writer}
	}
	if name, is := controller(writers, one.Subresource == "status"); is {
		return Item{Result: Controllers, Controller: name, Detail: instead(name)}, writers, nil
	}
	item, err := w.send(ctx, at, one.Edit, p)
	return item, writers, err
}

// send sends a patch between two writings of the undo file.
func (w *worker) send(ctx context.Context, at place, e snapshot.Edit, p plan) (Item, error) {
	if w.DryRun {
		item, _ := w.patch(ctx, at, e, p)
		return item, nil
	}
	if err := w.kept.sending(changeOf(at, e, p)); err != nil {
		return Item{Result: Failed, Detail: "the undo file cannot be written"}, err
	}
	item, open := w.patch(ctx, at, e, p)
	return item, w.kept.sent(item.Result == Done, open)
}

// patch sends it, and finds out what a refusal means. While it is open whether the
// server does it, the way back must be kept.
func (w *worker) patch(ctx context.Context, at place, e snapshot.Edit, p plan) (item Item, open bool) {
	err := w.client.patch(ctx, at, e.Subresource, p.ops, w.DryRun)
	switch {
	case err == nil:
		return Item{Result: Done}, false
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fault(err), false
	}
	// A test that fails is 422, as is an object that would not be valid
	// (kubernetes apiserver pkg/endpoints/handlers/patch.go, jsonPatcher); of a
	// request without an answer nobody knows whether it was done. The object tells.
	open = unanswered(err) && !w.DryRun
	obj, readErr := w.client.read(ctx, at)
	switch {
	case apierrors.IsNotFound(readErr):
		return fault(readErr), open
	case readErr != nil && open:
		item = fault(err)
		item.Detail += "; it is not known whether the value was removed"
		return item, open
	case readErr != nil:
		return fault(err), open
	case open && uidOf(obj) == p.uid && isGone(obj, e):
		return Item{Result: Done, Detail: "no answer came, but it is gone"}, false
	}
	if again, moved := planned(obj, e); moved == nil && !slices.EqualFunc(again.ops, p.ops, equalOps) {
		return Item{Result: Changed, Detail: "the object was changed meanwhile"}, open
	}
	return standing(obj, e, err), open
}

// standing tells why a value could not be removed from what stands there now.
func standing(obj any, e snapshot.Edit, err error) Item {
	switch at, how := locate(obj, e); how {
	case absent:
		return Item{Result: Gone, Detail: "it is not there any more"}
	case elsewhere:
		return Item{Result: Changed, Detail: "it was changed meanwhile, and now stands in " + at}
	}
	if errors.Is(err, errMoved) || apierrors.IsConflict(err) {
		return Item{Result: Changed, Detail: "it was changed meanwhile"}
	}
	return fault(err)
}

// fault is the result of a request that failed.
func fault(err error) Item {
	switch {
	case apierrors.IsNotFound(err):
		return Item{Result: Gone, Detail: "the object is not there any more"}
	case apierrors.IsForbidden(err):
		return Item{Result: Denied, Detail: "forbidden: " + behind(message(err), "forbidden: ")}
	case apierrors.IsUnauthorized(err):
		return Item{Result: Denied, Detail: "not authenticated"}
	}
	return Item{Result: Failed, Detail: message(err)}
}

// instead is what to do about a value that a controller wrote.
func instead(name string) string {
	return name + " wrote it and would write it again: change what it was told (its pool, or what the object asks for)"
}

// what names the value that an edit takes away, and the field.
func what(e snapshot.Edit) string {
	if len(e.Ops) == 0 {
		return "the change"
	}
	return clean(strings.Join(lost(e), ",") + " of " + dotted(fieldOf(e)))
}

const requestTimeout = 5 * time.Second
