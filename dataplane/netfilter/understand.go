// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"net/netip"
	"strconv"
	"strings"
)

// understand reads a match's value, and reports whether it could.
func (m *Match) understand() bool {
	switch m.Kind {
	case Source, Destination:
		m.Prefix = parsePrefix(m.Values[0])
		return m.Prefix.IsValid()
	case Proto:
		m.Protocol = protocol(m.Values[0])
	case SourcePort, DestinationPort, Port:
		return m.ports()
	case Mark, ConnMark:
		return m.mark()
	}
	return true
}

// parsePrefix reads 10.0.0.1, 10.0.0.0/24 and 10.0.0.0/255.255.255.0. A mask with
// holes, which iptables allows, gives the zero Prefix.
func parsePrefix(text string) netip.Prefix {
	ip, length, found := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}
	}
	addr = addr.Unmap()
	if !found {
		return netip.PrefixFrom(addr, addr.BitLen())
	}
	if bits, err := strconv.Atoi(length); err == nil {
		return netip.PrefixFrom(addr, bits).Masked()
	}
	mask, err := netip.ParseAddr(length)
	if err != nil || mask.BitLen() != addr.BitLen() {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(addr, maskBits(mask)).Masked()
}

// maskBits is the length of a mask without holes, or -1.
func maskBits(mask netip.Addr) int {
	bits, ended := 0, false
	for _, b := range mask.AsSlice() {
		for i := 7; i >= 0; i-- {
			one := b>>i&1 == 1
			if one && ended {
				return -1
			}
			if one {
				bits++
			}
			ended = ended || !one
		}
	}
	return bits
}

// protocol is the name that is used for a protocol here, which iptables-save
// writes as in /etc/protocols, or as a number where there is no such file.
func protocol(text string) string {
	switch strings.ToLower(text) {
	case "all", "0":
		return ""
	case "6":
		return "TCP"
	case "17":
		return "UDP"
	case "132":
		return "SCTP"
	case "1":
		return "ICMP"
	case "58", "icmp6", "icmpv6":
		return "IPV6-ICMP"
	}
	return strings.ToUpper(text)
}

// ports reads "80", "1024:65535", ":1024", and multiport's lists of them.
func (m *Match) ports() bool {
	for _, part := range strings.Split(m.Values[0], ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		r, ok := portRange(first, last)
		if !ok {
			m.Ports = nil
			return false
		}
		m.Ports = append(m.Ports, r)
	}
	return true
}

func portRange(first, last string) (PortRange, bool) {
	if first == "" {
		first = "0"
	}
	if last == "" {
		last = "65535"
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	return PortRange{uint16(a), uint16(b)}, errA == nil && errB == nil && a <= b
}

func (m *Match) mark() bool {
	value, mask, masked := strings.Cut(m.Values[0], "/")
	v, err := strconv.ParseUint(value, 0, 32)
	if err != nil {
		return false
	}
	k := uint64(0xffffffff)
	if masked {
		if k, err = strconv.ParseUint(mask, 0, 32); err != nil {
			return false
		}
	}
	m.Mark, m.MarkMask = uint32(v), uint32(k)
	return true
}
