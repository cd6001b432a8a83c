// SPDX-License-Identifier: Apache-2.0

package hold

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// message is a netlink message (netlink(7)).
func message(kind uint16, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	out := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	out = binary.NativeEndian.AppendUint16(out, kind)
	out = append(out, make([]byte, 10)...) // flags, number, sender
	return append(out, body...)
}

// header is what begins an address's body, and in the same places a device's, as far
// as it is read here.
func header(family, bits byte, index uint32) []byte {
	return binary.NativeEndian.AppendUint32([]byte{family, bits, 0, 0}, index)
}

func attribute(kind uint16, value ...byte) []byte {
	out := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofRtAttr+len(value)))
	out = binary.NativeEndian.AppendUint16(out, kind)
	return append(out, value...)
}

// FuzzParseChanges: no bytes break it, and whatever it reads is an address or a
// device.
func FuzzParseChanges(f *testing.F) {
	f.Add(message(unix.RTM_NEWADDR, header(unix.AF_INET, 32, 7), attribute(unix.IFA_LOCAL, 192, 168, 10, 114)))
	f.Add(message(unix.RTM_DELADDR, header(unix.AF_INET6, 128, 7), attribute(unix.IFA_ADDRESS, make([]byte, 16)...)))
	f.Add(message(unix.RTM_DELLINK, header(unix.AF_UNSPEC, 0, 7), make([]byte, 8)))
	f.Add(message(unix.RTM_NEWADDR, header(unix.AF_INET, 32, 7), []byte{200, 0, 2, 0}))
	f.Add(message(unix.RTM_NEWADDR, header(unix.AF_INET, 0, 7), []byte{11, 0, 9, 0, 1, 2, 3, 4, 5, 6, 7})) // not padded
	f.Fuzz(func(t *testing.T, data []byte) {
		changes, _ := parseChanges(data)
		for _, c := range changes {
			if !c.prefix.IsValid() && !c.gone {
				t.Errorf("%+v", c)
			}
		}
	})
}
