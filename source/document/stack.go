// SPDX-License-Identifier: Apache-2.0

package document

import (
	"fmt"
	"slices"

	"whohas/snapshot"
)

// stack gathers the members of the maps and lists that are open, innermost
// last, so that each map or list is made once, in its size.
type stack struct {
	keys  []string
	lines []int // of the keys
	items []snapshot.Value
	made  int // of one item, whether closed or open
}

// maxValues bounds what is kept of one object. etcd takes no object above 1.5 MiB
// (etcd server/embed/config.go DefaultMaxRequestBytes); one of 16 MiB in a file could
// make 36 times its size.
const maxValues = 1 << 18

var errTooMany = fmt.Errorf("more than %d values", maxValues)

func (s *stack) full() bool { return s.made > maxValues }

// members are those of one map or list that is open.
type members struct {
	of   *stack
	from int
	seen map[string]int // the places of the keys, once there are many
}

const manyKeys = 32

func (s *stack) open() members { return members{of: s, from: len(s.items)} }

// find is the place of a key, or -1.
func (m *members) find(key string) int {
	if m.seen != nil {
		if i, ok := m.seen[key]; ok {
			return i
		}
		return -1
	}
	if i := slices.Index(m.of.keys[m.from:], key); i >= 0 {
		return m.from + i
	}
	return -1
}

// set adds a member, or puts it in the place of one with that key. twice tells
// the latter, with the line of the key that was first.
func (m *members) set(key string, line int, v snapshot.Value) (first int, twice bool) {
	s := m.of
	if i := m.find(key); i >= 0 {
		first, s.lines[i], s.items[i] = s.lines[i], line, v
		return first, true
	}
	s.keys = append(s.keys, key)
	m.add(line, v)
	if n := len(s.keys); m.seen != nil {
		m.seen[key] = n - 1
	} else if n-m.from > manyKeys {
		m.seen = map[string]int{}
		for i := m.from; i < n; i++ {
			m.seen[s.keys[i]] = i
		}
	}
	return 0, false
}

// push adds an item of a list.
func (m *members) push(v snapshot.Value) {
	m.of.keys = append(m.of.keys, "")
	m.add(0, v)
}

func (m *members) add(line int, v snapshot.Value) {
	m.of.made++
	m.of.lines, m.of.items = append(m.of.lines, line), append(m.of.items, v)
}

// mapping closes a map.
func (m *members) mapping(line int) snapshot.Value {
	v := snapshot.Value{Kind: snapshot.Map, Line: int32(line)}
	if len(m.of.items) > m.from {
		v.Keyset, v.Items = snapshot.KeysetOf(slices.Clone(m.of.keys[m.from:])...), slices.Clone(m.of.items[m.from:])
	}
	m.drop()
	return v
}

// list closes a list.
func (m *members) list(line int) snapshot.Value {
	v := snapshot.Value{Kind: snapshot.List, Line: int32(line)}
	if len(m.of.items) > m.from {
		v.Items = slices.Clone(m.of.items[m.from:])
	}
	m.drop()
	return v
}

// drop forgets the members: after an error, too.
func (m *members) drop() {
	s := m.of
	clear(s.keys[m.from:]) // lets go of the strings
	clear(s.items[m.from:])
	s.keys, s.lines, s.items = s.keys[:m.from], s.lines[:m.from], s.items[:m.from]
}
