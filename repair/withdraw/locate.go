// SPDX-License-Identifier: Apache-2.0

package withdraw

import (
	"slices"
	"strconv"
	"strings"

	"whohas/snapshot"
)

// stand is where the value of an edit is.
type stand int

const (
	absent stand = iota
	inPlace
	elsewhere
)

// locate finds the value that an edit takes away, in an object as it is now, and
// the field in which it stands.
func locate(obj any, e snapshot.Edit) (field string, how stand) {
	test, change := sides(e)
	if now, ok := lookup(obj, keysOf(test.Path)); ok && same(now, plain(test.Value)) {
		return dotted(test.Path), inPlace
	}
	keys := keysOf(change.Path)
	parent, _ := lookup(obj, keys[:max(0, len(keys)-1)])
	if list, ok := parent.([]any); ok {
		return locateItem(list, test, change)
	}
	now, _ := lookup(obj, keys)
	text, _ := now.(string)
	for _, part := range parts(text) {
		if slices.Contains(lost(e), part) {
			return dotted(change.Path), elsewhere
		}
	}
	return "", absent
}

func locateItem(list []any, test, change snapshot.Op) (string, stand) {
	keys := keysOf(change.Path)
	inside := keysOf(strings.TrimPrefix(test.Path, change.Path))
	want := plain(test.Value)
	for n, item := range list {
		if now, ok := lookup(item, inside); ok && same(now, want) {
			return dotted(pointerOf(append(keys[:len(keys)-1:len(keys)-1], strconv.Itoa(n)))), elsewhere
		}
	}
	return "", absent
}

func isGone(obj any, e snapshot.Edit) bool {
	_, how := locate(obj, e)
	return how == absent
}

// sides are the test of an edit and the operation that takes the value away.
func sides(e snapshot.Edit) (test, change snapshot.Op) {
	for _, o := range e.Ops {
		switch {
		case o.Op == "test" && test.Op == "":
			test = o
		case (o.Op == "remove" || o.Op == "replace") && change.Op == "":
			change = o
		}
	}
	if test.Op == "" {
		test = change
	}
	return test, change
}

// fieldOf is the field that an edit changes.
func fieldOf(e snapshot.Edit) string {
	_, change := sides(e)
	return change.Path
}

// lost is what an edit takes away: of a text with several values, what the new one
// lacks.
func lost(e snapshot.Edit) []string {
	test, change := sides(e)
	if list, ok := test.Value.([]string); ok {
		return list
	}
	old, _ := test.Value.(string)
	kept, _ := change.Value.(string)
	return slices.DeleteFunc(parts(old), func(p string) bool { return slices.Contains(parts(kept), p) })
}

func parts(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if p := strings.TrimSpace(part); p != "" {
			out = append(out, p)
		}
	}
	return out
}
