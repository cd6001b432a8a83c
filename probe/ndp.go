// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

const (
	ipv6Size     = 40
	icmpv6       = 58
	ndpSize      = 24 // of both messages, without options
	ndpHopLimit  = 255
	solicitation = 135
	advert       = 136

	optionTargetMAC = 2    // RFC 4861, 4.6.1
	flagSolicited   = 0x40 // RFC 4861, 4.4
)

// allNodes is where a solicitation without a source is answered to: ff02::1
// (RFC 4861, 7.2.4), as an Ethernet address (RFC 2464, 7).
var allNodes = mac{0x33, 0x33, 0, 0, 0, 1}

// solicit asks who has an address, as duplicate address detection does: from the
// unspecified address, and hence without an option that names a sender's MAC
// (RFC 4861, 4.3).
func solicit(ip netip.Addr) []byte {
	m := make([]byte, ndpSize)
	m[0] = solicitation
	copy(m[8:], ip.AsSlice())
	return ndpPacket(netip.IPv6Unspecified(), solicitedNode(ip), m)
}

// solicitedNode is the multicast address at which an address's holders listen
// (RFC 4291, 2.7.1).
func solicitedNode(ip netip.Addr) netip.Addr {
	a, group := ip.As16(), netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(group[13:], a[13:])
	return netip.AddrFrom16(group)
}

// solicitedMAC is the Ethernet address of the solicited-node multicast address.
func solicitedMAC(ip netip.Addr) mac {
	a := ip.As16()
	return mac{0x33, 0x33, 0xff, a[13], a[14], a[15]}
}

// ndpPacket puts an ICMPv6 message into an IPv6 packet, with its checksum.
func ndpPacket(from, to netip.Addr, message []byte) []byte {
	b := make([]byte, ipv6Size, ipv6Size+len(message))
	b[0] = 6 << 4
	binary.BigEndian.PutUint16(b[4:], uint16(len(message)))
	b[6], b[7] = icmpv6, ndpHopLimit
	copy(b[8:], from.AsSlice())
	copy(b[24:], to.AsSlice())
	b = append(b, message...)
	binary.BigEndian.PutUint16(b[ipv6Size+2:], 0)
	binary.BigEndian.PutUint16(b[ipv6Size+2:], ^checksum(b))
	return b
}

// checksum adds up an IPv6 packet's pseudo-header and message (RFC 8200, 8.1). Of a
// packet that has its checksum this is 0xffff.
func checksum(b []byte) uint16 {
	sum := uint32(len(b)-ipv6Size) + icmpv6
	for rest := b[8:]; len(rest) > 0; rest = rest[min(2, len(rest)):] {
		sum += uint32(rest[0]) << 8
		if len(rest) > 1 {
			sum += uint32(rest[1])
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// advertisement is a Neighbour Advertisement.
type advertisement struct {
	target netip.Addr
	mac    mac // of the target; zero: not said
}

// decodeAdvertisement reads an Ethernet frame's payload with all the checks of
// RFC 4861, 7.1.2. Extension headers are not read over: Linux sends none, and
// RFC 6980 forbids fragments. What follows the packet is padding.
func decodeAdvertisement(b []byte) (advertisement, error) {
	b, err := ndpOf(b)
	if err != nil {
		return advertisement{}, err
	}
	m := b[ipv6Size:]
	a := advertisement{target: netip.AddrFrom16([16]byte(m[8:24]))}
	switch {
	case m[0] != advert || m[1] != 0:
		return advertisement{}, errors.New("ndp: not an advertisement")
	case a.target.IsMulticast() || a.target.IsUnspecified():
		return advertisement{}, errors.New("ndp: the target is no host's address")
	case b[24] == 0xff && m[4]&flagSolicited != 0:
		return advertisement{}, errors.New("ndp: solicited, and sent to a group")
	}
	a.mac, err = targetMAC(m[ndpSize:])
	if err != nil {
		return advertisement{}, err
	}
	return a, nil
}

// ndpOf cuts the padding off a packet, and gives it only if it is ICMPv6 with at
// least a neighbour message's length, from this link, whole and sound.
func ndpOf(b []byte) ([]byte, error) {
	if len(b) < ipv6Size+ndpSize || b[0]>>4 != 6 || b[6] != icmpv6 {
		return nil, errors.New("ndp: not ICMPv6, or cut short")
	}
	size := ipv6Size + int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case size < ipv6Size+ndpSize || size > len(b):
		return nil, errors.New("ndp: the length is wrong")
	case b[7] != ndpHopLimit:
		return nil, errors.New("ndp: forwarded: the hop limit is not 255")
	case b[8] == 0xff: // RFC 4291, 2.7
		return nil, errors.New("ndp: from a group")
	case checksum(b[:size]) != 0xffff:
		return nil, errors.New("ndp: the checksum is wrong")
	}
	return b[:size], nil
}

// targetMAC finds the first option of that kind, and checks all options' lengths.
func targetMAC(options []byte) (mac, error) {
	var found mac
	for len(options) > 0 {
		if len(options) < 8 || options[1] == 0 || int(options[1])*8 > len(options) {
			return mac{}, errors.New("ndp: an option's length is wrong")
		}
		if options[0] == optionTargetMAC {
			if options[1] != 1 || mac(options[2:8]) == (mac{}) {
				return mac{}, errors.New("ndp: the target's address is not Ethernet's")
			}
			if found == (mac{}) {
				found = mac(options[2:8])
			}
		}
		options = options[int(options[1])*8:]
	}
	return found, nil
}
