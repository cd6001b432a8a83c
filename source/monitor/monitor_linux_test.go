// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var stolen = netip.MustParsePrefix("192.168.10.114/32")

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

// FuzzParse: no bytes break it, and whatever it reads is an address, a device that
// has gone, or a rule.
func FuzzParse(f *testing.F) {
	f.Add(message(unix.RTM_NEWADDR, header(unix.AF_INET, 32, 7), attribute(unix.IFA_LOCAL, 192, 168, 10, 114)))
	f.Add(message(unix.RTM_DELADDR, header(unix.AF_INET6, 128, 7), attribute(unix.IFA_ADDRESS, make([]byte, 16)...)))
	f.Add(message(unix.RTM_DELLINK, header(unix.AF_UNSPEC, 0, 7), make([]byte, 8)))
	f.Add(message(unix.RTM_NEWADDR, header(unix.AF_INET, 32, 7), []byte{200, 0, 2, 0}))
	f.Add(message(unix.RTM_NEWADDR, header(unix.AF_INET, 0, 7), []byte{11, 0, 9, 0, 1, 2, 3, 4, 5, 6, 7})) // not padded
	f.Fuzz(func(t *testing.T, data []byte) {
		changes, _ := parse(data)
		for _, c := range changes {
			if c.Of == Address && !c.Prefix.IsValid() || c.Of == Link && !c.Gone {
				t.Errorf("%+v", c)
			}
		}
	})
}

// TestParse: bytes as the kernel sends them (taken from linux
// include/uapi/linux/if_addr.h, little-endian where the machine is).
func TestParse(t *testing.T) {
	for _, test := range []struct {
		name string
		data []byte
		want []Change
		bad  bool
	}{
		{"an address comes", message(unix.RTM_NEWADDR, header(unix.AF_INET, 32, 7), attribute(unix.IFA_ADDRESS, 192, 168, 10, 114), attribute(unix.IFA_LOCAL, 192, 168, 10, 114)),
			[]Change{{Address, false, 7, stolen}}, false},
		{"it goes", message(unix.RTM_DELADDR, header(unix.AF_INET, 32, 7), attribute(unix.IFA_LOCAL, 192, 168, 10, 114)), []Change{{Address, true, 7, stolen}}, false},
		{"the other end's is not the device's", message(unix.RTM_NEWADDR, header(unix.AF_INET, 32, 7), attribute(unix.IFA_ADDRESS, 10, 0, 0, 1), attribute(unix.IFA_LOCAL, 192, 168, 10, 114)),
			[]Change{{Address, false, 7, stolen}}, false},
		{"of IPv6", message(unix.RTM_NEWADDR, header(unix.AF_INET6, 128, 7), attribute(unix.IFA_ADDRESS, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x14)),
			[]Change{{Address, false, 7, netip.MustParsePrefix("2001:db8::114/128")}}, false},
		{"a device goes", message(unix.RTM_DELLINK, header(unix.AF_UNSPEC, 0, 7), make([]byte, 8)), []Change{{Link, true, 7, netip.Prefix{}}}, false},
		{"a port leaves a bridge", message(unix.RTM_DELLINK, header(unix.AF_BRIDGE, 0, 7), make([]byte, 8)), nil, false},
		{"a device comes", message(unix.RTM_NEWLINK, header(unix.AF_UNSPEC, 0, 7), make([]byte, 8)), nil, false},
		{"a rule comes", message(unix.RTM_NEWRULE, make([]byte, 12)), []Change{{Of: Rule}}, false},
		{"cut short", message(unix.RTM_NEWADDR, header(unix.AF_INET, 32, 7)[:4]), nil, true},
		{"without an address", message(unix.RTM_NEWADDR, header(unix.AF_INET, 32, 7)), nil, true},
		{"too long a prefix", message(unix.RTM_NEWADDR, header(unix.AF_INET, 33, 7), attribute(unix.IFA_LOCAL, 192, 168, 10, 114)), nil, true},
		{"a device cut short", message(unix.RTM_DELLINK, header(unix.AF_UNSPEC, 0, 7)), nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parse(test.data)
			if test.bad != (err != nil) {
				t.Error(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.Comparer(func(a, b Change) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
