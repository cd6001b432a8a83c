// SPDX-License-Identifier: Apache-2.0

//go:build linux

package prober

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Ping sends one echo request. Its answer is "answered", "no answer", or the
// ICMP error with the address that it came from; an error of this host's own,
// such as a neighbour that does not resolve, comes from its own address.
//
// The id must be another each time: to conntrack, an echo request with the id of one
// that was answered in the last 30 s belongs to it, and passes a filter that rejects
// what is new (linux net/netfilter/nf_conntrack_proto_icmp.c icmp_pkt_to_tuple).
func Ping(to, from netip.Addr, id uint16, wait time.Duration) Probe {
	fd, err := socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	if err != nil {
		return done(verdict(err))
	}
	p := &ping{fd: fd, to: to, id: id, until: time.Now().Add(wait)}
	if err := p.send(from); err != nil {
		unix.Close(fd)
		return done(verdict(err))
	}
	return p
}

type ping struct {
	fd    int
	to    netip.Addr
	id    uint16
	until time.Time
}

func (p *ping) send(from netip.Addr) error {
	if err := unix.SetsockoptInt(p.fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1); err != nil {
		return err
	}
	if from.IsValid() {
		if err := unix.Bind(p.fd, sockaddr(netip.AddrPortFrom(from, 0))); err != nil {
			return err
		}
	}
	return unix.Sendto(p.fd, echo(p.id), 0, sockaddr(netip.AddrPortFrom(p.to, 0)))
}

// echo is an echo request of RFC 792.
func echo(id uint16) []byte {
	b := make([]byte, 16)
	b[0] = 8
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], 1)
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	return b
}

func (p *ping) Wait() string {
	defer unix.Close(p.fd)
	for {
		events := poll(p.fd, unix.POLLIN, p.until)
		if events == 0 {
			return Silence
		}
		if events&unix.POLLERR != 0 {
			if text, ok := p.failure(); ok {
				return text
			}
		}
		var b [128]byte
		n, from, err := unix.Recvfrom(p.fd, b[:], 0)
		if err != nil {
			continue
		}
		if at, ok := from.(*unix.SockaddrInet4); ok && p.answer(b[:n], netip.AddrFrom4(at.Addr)) {
			return Answered
		}
	}
}

// answer reports whether a packet, IP header and all, is the reply waited for.
func (p *ping) answer(b []byte, from netip.Addr) bool {
	if len(b) < 20 {
		return false
	}
	icmp := b[int(b[0]&0x0f)*4:]
	return len(icmp) >= 8 && icmp[0] == 0 && binary.BigEndian.Uint16(icmp[4:]) == p.id && from == p.to
}

// unreachable names the codes of ICMP's "destination unreachable" (RFC 792,
// RFC 1812).
var unreachable = map[byte]string{
	0: "network-unreachable", 1: "host-unreachable", 2: "protocol-unreachable", 3: "port-unreachable",
	9: "network-prohibited", 10: "host-prohibited", 13: "prohibited",
}

// failure reads the socket's error queue (ip(7), IP_RECVERR): a
// sock_extended_err and behind it the address of whom the error came from.
func (p *ping) failure() (string, bool) {
	var b, oob [512]byte
	_, n, _, _, err := unix.Recvmsg(p.fd, b[:], oob[:], unix.MSG_ERRQUEUE)
	if err != nil {
		return "", false
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return "", false
	}
	for _, m := range messages {
		if m.Header.Level != unix.IPPROTO_IP || m.Header.Type != unix.IP_RECVERR || len(m.Data) < 24 {
			continue
		}
		errno, origin, kind, code := binary.NativeEndian.Uint32(m.Data), m.Data[4], m.Data[5], m.Data[6]
		from := netip.AddrFrom4([4]byte(m.Data[20:24]))
		const local, icmp, destination = 1, 2, 3
		if origin == icmp && kind == destination && unreachable[code] != "" {
			return unreachable[code] + " from " + from.String(), true
		}
		if origin == local {
			return verdict(unix.Errno(errno)), true
		}
	}
	return "", false
}
