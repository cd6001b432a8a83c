// SPDX-License-Identifier: Apache-2.0

package document

import (
	"hash/maphash"
	"sync"
)

// Memory is what the streams of one run remember together, so that each small
// file need not start again: equal strings. The zero value is ready; it is safe
// for concurrent use and must not be copied.
type Memory struct{ tables sync.Pool }

type internTable [internSlots]string

func (m *Memory) take() *internTable {
	if m == nil {
		return new(internTable)
	}
	if t, ok := m.tables.Get().(*internTable); ok {
		return t
	}
	return new(internTable)
}

// interned lets equal strings share memory: keys, kinds, names of nodes and
// namespaces come again and again. It forgets what is rare, so that it does not
// grow with the stream.
type interned struct {
	memory *Memory
	slots  *internTable // made when first needed
}

var internSeed = maphash.MakeSeed()

const (
	internSlots = 1 << 11
	internMax   = 64 // longer strings hardly repeat
)

// string is a copy of the text, which may change afterwards.
func (n *interned) string(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if len(text) > internMax {
		return string(text)
	}
	if n.slots == nil {
		n.slots = n.memory.take()
	}
	slot := &n.slots[maphash.Bytes(internSeed, text)%internSlots]
	if *slot != string(text) {
		*slot = string(text)
	}
	return *slot
}

// free lets another decoder have the table.
func (n *interned) free() {
	if n.slots != nil && n.memory != nil {
		n.memory.tables.Put(n.slots)
		n.slots = nil
	}
}
