// SPDX-License-Identifier: Apache-2.0

package document

import (
	"strings"
	"sync"
	"sync/atomic"

	"whohas/snapshot"
)

// head is what an object says of itself before all else.
type head struct {
	apiVersion, kind string
	next             string // metadata.continue of a list
	version          string // metadata.resourceVersion of a list
}

// list is what the items of one list have in common. The items of a typed list
// (PodList) need not name their kind. The splitter writes to it only while no
// worker has one of its items, or under the lock.
type list struct {
	object bool // a List, and not an array only
	odd    int  // the line of an item that is no object; the splitter's alone
	early  bool // it named its kind before its items

	named atomic.Bool // some item named its kind

	mu       sync.Mutex
	known    bool   // the list named its kind
	own      head   // what it says of itself
	item     head   // of items that do not name theirs
	untyped  []item // whose kind the list may still name after them
	untypedN int    // their bytes
	overflow int    // how many more there were
}

// learn takes in what stands before or behind the items.
func (l *list) learn(h head) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.kind != "" {
		l.known = true
		l.item.kind, l.own.kind = itemKind(h.kind), h.kind
	}
	if h.apiVersion != "" {
		l.item.apiVersion, l.own.apiVersion = h.apiVersion, h.apiVersion
	}
}

// lists reports whether a kind is a list's: of all kinds, or of one that is read.
func (d *decoder) lists(h head) bool {
	of, list := strings.CutSuffix(h.kind, "List")
	group, _ := snapshot.SplitAPIVersion(h.apiVersion)
	if !list || of == "" {
		return list && group == ""
	}
	_, _, read := d.reading.Reads.Kind(group, of)
	return read
}

// What is wrong with a list whose items are not read, or one of them.
const (
	noItems = "items is no list, or its name is written in an odd way: nothing of it is read"
	noItem  = "items: one of them is no map: it is not read"
)

// itemKind is the kind of a typed list's items; "" for a plain List.
func itemKind(kind string) string {
	of, _ := strings.CutSuffix(kind, "List")
	if of == kind {
		return ""
	}
	return of
}

// name says that an item names its kind.
func (l *list) name() {
	if l != nil && !l.named.Load() { // most often it is known: a write would cost more
		l.named.Store(true)
	}
}

// typed gives what an item is that does not name its kind.
func (l *list) typed() (h head, known bool) {
	if l == nil {
		return head{}, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.item, l.known || !l.object
}

// postpone keeps an item whose kind the list may still name. What is kept is
// bounded: kubectl names the kind of each item, and the API server that of the
// list before them; only a list whose keys some tool sorted comes here.
func (l *list) postpone(i item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.untypedN+len(i.text) > MaxItem {
		l.overflow++
		return
	}
	i.text = append([]byte{}, i.text...)
	l.untyped, l.untypedN = append(l.untyped, i), l.untypedN+len(i.text)
}
