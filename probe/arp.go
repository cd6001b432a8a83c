// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// arpPacket is an ARP packet for IPv4 over Ethernet (RFC 826).
type arpPacket struct {
	op       uint16
	sender   mac
	senderIP netip.Addr
	target   mac
	targetIP netip.Addr
}

const (
	arpRequest = 1
	arpReply   = 2
	arpSize    = 28
)

// arpHead is what every such packet begins with: hardware Ethernet, protocol IPv4,
// and the lengths of their addresses.
var arpHead = [6]byte{0, 1, 8, 0, 6, 4}

var broadcast = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// arpProbe asks who has an address without naming a sender's (RFC 5227, 2.1.1).
func arpProbe(from mac, ip netip.Addr) []byte {
	return arpPacket{op: arpRequest, sender: from, senderIP: netip.IPv4Unspecified(), targetIP: ip}.encode()
}

// encode gives an Ethernet frame's payload. Both addresses must be IPv4.
func (p arpPacket) encode() []byte {
	b := make([]byte, 0, arpSize)
	b = append(b, arpHead[:]...)
	b = binary.BigEndian.AppendUint16(b, p.op)
	b = append(b, p.sender[:]...)
	b = append(b, p.senderIP.AsSlice()...)
	b = append(b, p.target[:]...)
	return append(b, p.targetIP.AsSlice()...)
}

// decodeARP reads an Ethernet frame's payload. What follows the packet is padding
// to the shortest frame, and not looked at.
func decodeARP(b []byte) (arpPacket, error) {
	if len(b) < arpSize {
		return arpPacket{}, errors.New("arp: cut short")
	}
	if [6]byte(b[:6]) != arpHead {
		return arpPacket{}, errors.New("arp: not IPv4 over Ethernet")
	}
	p := arpPacket{
		op:     binary.BigEndian.Uint16(b[6:]),
		sender: mac(b[8:14]), senderIP: netip.AddrFrom4([4]byte(b[14:18])),
		target: mac(b[18:24]), targetIP: netip.AddrFrom4([4]byte(b[24:28])),
	}
	if p.op != arpRequest && p.op != arpReply {
		return arpPacket{}, errors.New("arp: neither request nor reply")
	}
	if p.sender == (mac{}) {
		return arpPacket{}, errors.New("arp: no sender")
	}
	return p, nil
}

// answer is the address that a packet's sender says to have: replies say it, and
// requests, announcements among them, too (RFC 5227, 2.1.1). Who only probes for
// one says nothing.
func (p arpPacket) answer() (netip.Addr, mac, bool) {
	return p.senderIP, p.sender, !p.senderIP.IsUnspecified()
}
