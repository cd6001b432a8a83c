// SPDX-License-Identifier: Apache-2.0

package withdraw

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// undoTries is how often a change is read again because somebody wrote between the
// reading and the patch.
const undoTries = 3

// errReplaced is an object of the same name that is another one.
var errReplaced = errors.New("it was deleted and made again since: nothing is put back")

// Undo puts back what an undo file holds, the last change first. What is there
// already stays as it is, so it may be called again; an object that is another one
// by now is not touched. The error tells of everything that could not be put back.
func Undo(ctx context.Context, config *rest.Config, name string, to func(Event)) error {
	f, err := readUndo(name)
	if err != nil {
		return err
	}
	c, err := connect(config)
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	var failed []error
	for _, one := range slices.Backward(f.Changes) {
		if ctx.Err() != nil {
			return errors.Join(append(failed, context.Cause(ctx))...)
		}
		text, err := c.undo(quiet(ctx), one)
		on := one.place().ref()
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %s", on, message(err)))
			tell(to, Event{On: on, Warning: true, Text: "not put back: " + message(err)})
			continue
		}
		tell(to, Event{On: on, Text: text})
	}
	return errors.Join(failed...)
}

// undo puts one change back and says what was done.
func (c *client) undo(ctx context.Context, one change) (string, error) {
	var err error
	for range undoTries {
		var ops []op
		if ops, err = c.undoing(ctx, one); err != nil {
			return "", err
		}
		if len(ops) == 0 {
			return one.fields() + " is as it was: nothing to put back", nil
		}
		err = c.patch(ctx, one.place(), one.Subresource, ops, false)
		if err == nil {
			return one.fields() + " is put back", nil
		}
		if !apierrors.IsConflict(err) && !unprocessable(err) {
			return "", err
		}
	}
	return "", err
}

// undoing is the patch that is needed now.
func (c *client) undoing(ctx context.Context, one change) ([]op, error) {
	obj, err := c.read(ctx, one.place())
	switch {
	case apierrors.IsNotFound(err):
		return nil, errors.New("it is not there any more")
	case err != nil:
		return nil, err
	case uidOf(obj) != one.UID:
		return nil, errReplaced
	}
	return restored(obj, one.UID, one.Back)
}

// unprocessable reports whether a patch was refused because it does not apply, or what
// comes of it is not valid.
func unprocessable(err error) bool {
	var status *apierrors.StatusError
	return errors.As(err, &status) && status.ErrStatus.Code == http.StatusUnprocessableEntity
}

// fields names what a change is about.
func (c change) fields() string {
	var names []string
	for _, m := range c.Back {
		if n := clean(dotted(m.Path)); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}
