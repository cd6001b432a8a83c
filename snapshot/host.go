// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"bytes"
	"cmp"
	"encoding/json"
	"iter"
	"reflect"
	"slices"
	"strings"

	"whohas/dataplane"
)

// AddHost adds what one host's kernel held; the caller gives it up.
//
// A reading bears no time, so that of two different readings of one host none is
// the later one, and they are not mixed: a mixture may be a state that never
// was. The fuller one is kept, and the coverage tells.
func (b *Builder) AddHost(h dataplane.Host) {
	h.Unmap()
	for _, s := range h.Sets {
		if !slices.IsSorted(s.Members) { // a file's may be somebody's
			slices.Sort(s.Members)
		}
	}
	size := weigh(reflect.ValueOf(&h).Elem()) + hostSize
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Budget.Take(size) {
		b.snap.Hosts = append(b.snap.Hosts, h)
	}
}

// Host is the host of that name, or nil. It must not be changed.
func (s *Snapshot) Host(name string) *dataplane.Host {
	i, found := slices.BinarySearchFunc(s.Hosts, name, func(h dataplane.Host, n string) int { return strings.Compare(h.Name, n) })
	if !found {
		return nil
	}
	return &s.Hosts[i]
}

// EachHost goes through all hosts, by name. None may be changed.
func (s *Snapshot) EachHost() iter.Seq[*dataplane.Host] {
	return func(yield func(*dataplane.Host) bool) {
		for i := range s.Hosts {
			if !yield(&s.Hosts[i]) {
				return
			}
		}
	}
}

// arrangeHosts leaves one reading of each host.
func (s *Snapshot) arrangeHosts() {
	slices.SortFunc(s.Hosts, compareHosts)
	var out []dataplane.Host
	for i, h := range s.Hosts {
		if i > 0 && s.Hosts[i-1].Name == h.Name {
			if compareHosts(s.Hosts[i-1], h) != 0 {
				s.Coverage = append(s.Coverage, Coverage{Source: "host " + h.Name, Status: StatusPartial,
					Detail: "read twice, and the readings differ; only the fuller one is used"})
			}
			continue
		}
		out = append(out, h)
	}
	s.Hosts = out
}

// compareHosts orders by name; of one host, the reading that lacks the fewest
// sections comes first, and then any order will do that is always the same.
func compareHosts(a, b dataplane.Host) int {
	if c := cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(len(a.Unread), len(b.Unread))); c != 0 {
		return c
	}
	return bytes.Compare(hostText(a), hostText(b))
}

func hostText(h dataplane.Host) []byte {
	text, err := json.Marshal(h)
	if err != nil { // a prefix that is none; such a host comes from no source
		return nil
	}
	return text
}
