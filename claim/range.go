// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"fmt"
	"iter"
	"net/netip"
	"strconv"
	"strings"

	"whohas/snapshot"
)

// Range is an inclusive range of addresses of one family. The zero value is
// invalid and holds nothing. Ranges are compared exactly: never by a covering
// CIDR (192.168.1.2-192.168.1.3 does not hold 192.168.1.1).
type Range struct{ From, To netip.Addr }

// Single is the range of one address.
func Single(ip netip.Addr) Range { return Range{ip, ip} }

// PrefixRange is the range that a CIDR covers; host bits are ignored.
func PrefixRange(p netip.Prefix) Range {
	p = p.Masked()
	if !p.IsValid() {
		return Range{}
	}
	return Range{p.Addr(), lastOf(p)}
}

// ParseRange reads "a", "a-b" or a CIDR, with spaces around the parts. The
// addresses are read as the apiserver reads them (snapshot.ParseAddr).
func ParseRange(text string) (Range, error) {
	if from, to, ok := strings.Cut(text, "-"); ok {
		return parseSpan(from, to, text)
	}
	if addr, bits, ok := strings.Cut(text, "/"); ok {
		return parseCIDR(addr, bits, text)
	}
	ip, _, err := snapshot.ParseAddr(text)
	if err != nil {
		return Range{}, err
	}
	return Single(ip), nil
}

func parseSpan(from, to, text string) (Range, error) {
	a, _, err := snapshot.ParseAddr(from)
	if err != nil {
		return Range{}, fmt.Errorf("range %q: %w", text, err)
	}
	b, _, err := snapshot.ParseAddr(to)
	if err != nil {
		return Range{}, fmt.Errorf("range %q: %w", text, err)
	}
	if a.BitLen() != b.BitLen() {
		return Range{}, fmt.Errorf("range %q: two address families", text)
	}
	if b.Less(a) {
		return Range{}, fmt.Errorf("range %q: ends before it begins", text)
	}
	return Range{a, b}, nil
}

func parseCIDR(addr, bits, text string) (Range, error) {
	ip, _, err := snapshot.ParseAddr(addr)
	if err != nil {
		return Range{}, fmt.Errorf("cidr %q: %w", text, err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(bits), 10, 8)
	length := int(n)
	if ip.Is4() && strings.Contains(addr, ":") { // IPv4-mapped: the length counts the 96 bits before
		length -= 96
	}
	r := PrefixRange(netip.PrefixFrom(ip, length))
	if err != nil || !r.IsValid() {
		return Range{}, fmt.Errorf("cidr %q: bad prefix length %q", text, bits)
	}
	return r, nil
}

// IsValid reports whether the range holds at least one address.
func (r Range) IsValid() bool {
	return r.From.IsValid() && r.From.BitLen() == r.To.BitLen() && !r.To.Less(r.From)
}

// IsSingle reports whether the range is one address.
func (r Range) IsSingle() bool { return r.IsValid() && r.From == r.To }

// Contains reports whether the address lies in the range.
func (r Range) Contains(ip netip.Addr) bool {
	return r.IsValid() && ip.BitLen() == r.From.BitLen() && !ip.Less(r.From) && !r.To.Less(ip)
}

// Covers reports whether all of o lies in r.
func (r Range) Covers(o Range) bool { return o.IsValid() && r.Contains(o.From) && r.Contains(o.To) }

// Intersect is what r and o share; invalid if nothing.
func (r Range) Intersect(o Range) Range {
	if !r.IsValid() || !o.IsValid() || r.From.BitLen() != o.From.BitLen() {
		return Range{}
	}
	x := Range{maxAddr(r.From, o.From), minAddr(r.To, o.To)}
	if !x.IsValid() {
		return Range{}
	}
	return x
}

// Overlaps reports whether r and o share an address.
func (r Range) Overlaps(o Range) bool { return r.Intersect(o).IsValid() }

// Without is r less another range: none, one or two ranges.
func (r Range) Without(out Range) []Range {
	x := r.Intersect(out)
	switch {
	case !r.IsValid():
		return nil
	case !x.IsValid():
		return []Range{r}
	}
	var left []Range
	if r.From.Less(x.From) {
		left = append(left, Range{r.From, x.From.Prev()})
	}
	if x.To.Less(r.To) {
		left = append(left, Range{x.To.Next(), r.To})
	}
	return left
}

// Prefixes yields the fewest CIDRs that make up the range, in order.
func (r Range) Prefixes() iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for at := r; at.IsValid(); {
			p := widest(at)
			if !yield(p) {
				return
			}
			last := lastOf(p)
			if last == r.To {
				return
			}
			at.From = last.Next()
		}
	}
}

// widest is the largest CIDR that begins where r begins and stays in r.
func widest(r Range) netip.Prefix {
	bits := r.From.BitLen()
	for bits > 0 {
		p := netip.PrefixFrom(r.From, bits-1)
		if p.Masked().Addr() != r.From || r.To.Less(lastOf(p)) {
			break
		}
		bits--
	}
	return netip.PrefixFrom(r.From, bits)
}

// Prefix is the CIDR that is exactly r; ok is false if there is none.
func (r Range) Prefix() (p netip.Prefix, ok bool) {
	if !r.IsValid() {
		return netip.Prefix{}, false
	}
	p = widest(r)
	return p, lastOf(p) == r.To
}

// String gives "a", a CIDR where one is exact, or "a-b"; ParseRange reads it back.
func (r Range) String() string {
	switch p, exact := r.Prefix(); {
	case !r.IsValid():
		return "invalid range"
	case r.IsSingle():
		return r.From.String()
	case exact:
		return p.String()
	default:
		return r.From.String() + "-" + r.To.String()
	}
}

// Compare orders by the first address, then the larger range first.
func (r Range) Compare(o Range) int {
	if c := r.From.Compare(o.From); c != 0 {
		return c
	}
	return o.To.Compare(r.To)
}

func lastOf(p netip.Prefix) netip.Addr {
	ip := p.Masked().Addr()
	raw := ip.AsSlice()
	for i := p.Bits() / 8; i < len(raw); i++ {
		raw[i] |= 0xff >> max(p.Bits()-8*i, 0)
	}
	last, _ := netip.AddrFromSlice(raw)
	return last
}

func minAddr(a, b netip.Addr) netip.Addr {
	if b.Less(a) {
		return b
	}
	return a
}

func maxAddr(a, b netip.Addr) netip.Addr {
	if a.Less(b) {
		return b
	}
	return a
}
