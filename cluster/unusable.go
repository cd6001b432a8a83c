// SPDX-License-Identifier: Apache-2.0

package cluster

import "net/netip"

// Unusable is a range of which no address can be a Service's, and why.
type Unusable struct {
	Prefix netip.Prefix
	Is     string
}

// unusable are the ranges in which nobody is reached from another host. The narrower
// come before those around them.
var unusable = []Unusable{
	{netip.MustParsePrefix("0.0.0.0/32"), "the unspecified address"},
	{netip.MustParsePrefix("::/128"), "the unspecified address"},
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address"},
	{netip.MustParsePrefix("::1/128"), "a loopback address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
	{netip.MustParsePrefix("255.255.255.255/32"), "the broadcast address"},
	// RFC 1122 3.2.1.3: never a destination; RFC 6890 table 1.
	{netip.MustParsePrefix("0.0.0.0/8"), `an address of "this network"`},
}

// Unusable lists the ranges that no Service can have an address of, the ends of the
// nodes' subnets among them.
func (f *Facts) Unusable() []Unusable {
	out := unusable[:len(unusable):len(unusable)]
	for _, s := range f.Subnets {
		// /31 and /127 have neither end (RFC 3021, RFC 6164); IPv6 has no broadcast.
		if s.Addr().Is6() || s.Bits() >= 31 {
			continue
		}
		out = append(out,
			Unusable{netip.PrefixFrom(s.Masked().Addr(), 32), "the network address of the nodes' subnet " + s.String()},
			Unusable{netip.PrefixFrom(broadcast(s), 32), "the broadcast address of the nodes' subnet " + s.String()})
	}
	return out
}

// UnusableAs says why an address cannot be a Service's, or "".
func (f *Facts) UnusableAs(ip netip.Addr) string {
	for _, u := range f.Unusable() {
		if u.Prefix.Contains(ip) {
			return u.Is
		}
	}
	return ""
}

// broadcast is the last address of an IPv4 prefix.
func broadcast(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := range b {
		b[i] |= byte(0xff >> min(max(p.Bits()-8*i, 0), 8))
	}
	return netip.AddrFrom4(b)
}
