// SPDX-License-Identifier: Apache-2.0

//go:build linux

package prober

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ARP sends a probe of RFC 5227, an ARP request that names no sender, as
// "arping -D" does, and gathers the MACs that answer until the time is over.
// Its answer is their list, sorted, or "nobody".
func ARP(device string, to netip.Addr, wait time.Duration) Probe {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return done("error: " + err.Error())
	}
	fd, err := socket(unix.AF_PACKET, unix.SOCK_DGRAM, int(htons(unix.ETH_P_ARP)))
	if err != nil {
		return done(verdict(err))
	}
	p := &arping{fd: fd, to: to, until: time.Now().Add(wait)}
	at := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ARP), Ifindex: link.Index}
	if err := unix.Bind(fd, at); err != nil {
		unix.Close(fd)
		return done(verdict(err))
	}
	at.Halen, at.Addr = 6, [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if err := unix.Sendto(fd, request(link.HardwareAddr, to), 0, at); err != nil {
		unix.Close(fd)
		return done(verdict(err))
	}
	return p
}

func htons(n uint16) uint16 { return n<<8 | n>>8 }

type arping struct {
	fd    int
	to    netip.Addr
	until time.Time
}

// request is an ARP request (RFC 826) with the sender's address left zero.
func request(mac net.HardwareAddr, to netip.Addr) []byte {
	b := make([]byte, 28)
	binary.BigEndian.PutUint16(b[0:], 1)
	binary.BigEndian.PutUint16(b[2:], unix.ETH_P_IP)
	b[4], b[5] = 6, 4
	binary.BigEndian.PutUint16(b[6:], 1)
	copy(b[8:], mac)
	copy(b[24:], to.AsSlice())
	return b
}

// mostFrames bounds what is looked at, also on a busy wire.
const mostFrames = 1000

func (p *arping) Wait() string {
	defer unix.Close(p.fd)
	var macs []string
	for range mostFrames {
		if poll(p.fd, unix.POLLIN, p.until) == 0 {
			break
		}
		var b [128]byte
		n, _, err := unix.Recvfrom(p.fd, b[:], 0)
		if err != nil || n < 28 {
			continue
		}
		reply := binary.BigEndian.Uint16(b[6:]) == 2
		if reply && netip.AddrFrom4([4]byte(b[14:18])) == p.to {
			macs = append(macs, net.HardwareAddr(b[8:14]).String())
		}
	}
	if len(macs) == 0 {
		return "nobody"
	}
	slices.Sort(macs)
	return strings.Join(slices.Compact(macs), " ")
}
