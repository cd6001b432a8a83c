// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"net/netip"
)

// flagOverride says that a cached address is to be replaced (RFC 4861, 4.4).
const flagOverride = 0x20

// arpAnnouncement tells everybody whose an address is (RFC 5227, 3): who has another
// MAC for it takes the new one.
func arpAnnouncement(from mac, ip netip.Addr) []byte {
	return arpPacket{op: arpRequest, sender: from, senderIP: ip, targetIP: ip}.encode()
}

// unsolicited is the same for IPv6: an advertisement that nobody asked for (RFC 4861,
// 7.2.6).
func unsolicited(from mac, ip netip.Addr) []byte {
	m := make([]byte, ndpSize, ndpSize+8)
	m[0] = advert
	binary.BigEndian.PutUint32(m[4:], uint32(flagOverride)<<24)
	copy(m[8:], ip.AsSlice())
	m = append(m, optionTargetMAC, 1)
	m = append(m, from[:]...)
	return ndpPacket(ip, netip.MustParseAddr("ff02::1"), m)
}
