// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
)

// otherHost is PACKET_OTHERHOST of linux include/uapi/linux/if_packet.h: a frame
// for another station, or of a VLAN that has no device here (net/core/dev.c,
// __netif_receive_skb_core). ARP does not take such a frame either (arp_rcv).
const otherHost = 3

// filter passes the frames of a link that are about one of some addresses of one
// family, so that a busy card does not wake us. A socket on a card is shown what the
// device of a VLAN or a macvlan above it received, too, as that device's: hence the
// index. What passes is still to be decoded with all checks.
func filter(index int, ips []netip.Addr) ([]bpf.RawInstruction, error) {
	drop := bpf.RetConstant{Val: 0}
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtInterfaceIndex},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(index), SkipTrue: 1}, drop,
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: otherHost, SkipTrue: 1}, drop,
	}
	at := uint32(14) // the sender's address of an ARP packet
	if ips[0].Is6() {
		at = ipv6Size + ndpSize - 4 // the end of an advertisement's target
		program = append(program,
			bpf.LoadAbsolute{Off: 6, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpv6, SkipTrue: 1}, drop,
			bpf.LoadAbsolute{Off: ipv6Size, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: advert, SkipTrue: 1}, drop)
	}
	program = append(program, bpf.LoadAbsolute{Off: at, Size: 4})
	for i, ip := range ips {
		all := ip.AsSlice()
		end := binary.BigEndian.Uint32(all[len(all)-4:])
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: end, SkipTrue: uint8(len(ips) - i)})
	}
	return bpf.Assemble(append(program, drop, bpf.RetConstant{Val: 0xffff}))
}
