// SPDX-License-Identifier: Apache-2.0

package document

import (
	"hash/maphash"
	"sync"
)

// interned lets equal strings share memory: keys, kinds, names of nodes and
// namespaces come again and again. It forgets what is rare, so that it does not
// grow with the stream.
type interned struct {
	slots *[internSlots]string // made when first needed
}

// internTables are those that no decoder uses. A call takes over what another
// has left: many files are smaller than a table.
var internTables = sync.Pool{New: func() any { return new([internSlots]string) }}

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
		n.slots = internTables.Get().(*[internSlots]string)
	}
	slot := &n.slots[maphash.Bytes(internSeed, text)%internSlots]
	if *slot != string(text) {
		*slot = string(text)
	}
	return *slot
}

// free lets another decoder have the table.
func (n *interned) free() {
	if n.slots != nil {
		internTables.Put(n.slots)
		n.slots = nil
	}
}
