// SPDX-License-Identifier: Apache-2.0

package document

import (
	"hash/maphash"
)

// interned lets equal strings of one call share memory: keys, kinds, names of
// nodes and namespaces come again and again. It forgets what is rare, so that
// it does not grow with the stream.
type interned struct {
	seed  maphash.Seed
	slots []string
}

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
		n.seed, n.slots = maphash.MakeSeed(), make([]string, internSlots)
	}
	slot := &n.slots[maphash.Bytes(n.seed, text)%internSlots]
	if *slot != string(text) {
		*slot = string(text)
	}
	return *slot
}
