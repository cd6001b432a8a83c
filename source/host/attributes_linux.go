// SPDX-License-Identifier: Apache-2.0

package host

import (
	"encoding/binary"
	"iter"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// attributes walks over netlink attributes (linux include/uapi/linux/netlink.h
// struct nlattr), without the bits that say how a value is built. What is cut off
// is left out.
func attributes(data []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for len(data) >= unix.NLA_HDRLEN {
			length := int(binary.NativeEndian.Uint16(data))
			kind := int(binary.NativeEndian.Uint16(data[2:]) & nl.NLA_TYPE_MASK)
			if length < unix.NLA_HDRLEN || length > len(data) || !yield(kind, data[unix.NLA_HDRLEN:length]) {
				return
			}
			data = data[min(len(data), (length+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
		}
	}
}

// number is an integer in the machine's order, of whatever width it came in.
func number(value []byte) uint64 {
	switch len(value) {
	case 1:
		return uint64(value[0])
	case 2, 3:
		return uint64(binary.NativeEndian.Uint16(value))
	case 4, 5, 6, 7:
		return uint64(binary.NativeEndian.Uint32(value))
	case 0:
		return 0
	}
	return binary.NativeEndian.Uint64(value)
}

// netNumber is an integer in the network's order.
func netNumber(value []byte) uint64 {
	var n uint64
	for _, b := range value[:min(len(value), 8)] {
		n = n<<8 | uint64(b)
	}
	return n
}

// text is a string without the zero that ends it.
func text(value []byte) string { return unix.ByteSliceToString(value) }

// rawAddr is an address of a family in a field that has room for the longest.
func rawAddr(family int, value []byte) netip.Addr {
	size := 16
	if family == unix.AF_INET {
		size = 4
	}
	if len(value) < size {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(value[:size])
	return a.Unmap()
}
