// SPDX-License-Identifier: Apache-2.0

package pick

import (
	"net/netip"
	"slices"

	"whohas/claim"
	"whohas/explain"
	"whohas/rule"
)

// RangesIn lists the ranges of claims, sorted, each once.
func RangesIn(claims []claim.Claim) []claim.Range {
	out := make([]claim.Range, len(claims))
	for i, c := range claims {
		out[i] = c.Range
	}
	slices.SortFunc(out, claim.Range.Compare)
	return slices.Compact(out)
}

// RangeText writes a range as the pool's controller reads it: a single address
// is a /32 or /128 for those that want a CIDR.
func RangeText(r claim.Range) string {
	if r.IsSingle() {
		return netip.PrefixFrom(r.From, r.From.BitLen()).String()
	}
	return r.String()
}

// InsideAddrs lists the single addresses that owners have inside a pool, sorted, each once.
func InsideAddrs(owners []claim.Claim) []netip.Addr {
	var out []netip.Addr
	for _, o := range owners {
		if o.Range.IsSingle() {
			out = append(out, o.Range.From)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// PlainAddrs are addresses as a list of texts.
func PlainAddrs(ips []netip.Addr) string {
	texts := make([]string, len(ips))
	for i, ip := range ips {
		texts[i] = ip.String()
	}
	return explain.Names(texts)
}

// Single reports whether the key is one unicast address.
func Single(p *rule.Pass) (netip.Addr, bool) {
	return p.Key.Range.From, p.Key.Range.IsSingle()
}

// WhichAddress is the key, or what of a pool's range is meant.
func WhichAddress(p *rule.Pass, owners []claim.Claim) string {
	if p.Key.Range.IsSingle() {
		return p.Key.Range.String()
	}
	return PlainAddrs(InsideAddrs(owners))
}
