// SPDX-License-Identifier: Apache-2.0

package who

import (
	"net/netip"
	"slices"

	"whohas/claim"
	"whohas/cluster"
)

// Free is a proposal of addresses that nobody claims.
type Free struct {
	In        claim.Range
	Addresses []netip.Addr
	// Taken counts what was taken into account, by role.
	Taken []Taken
	// Unknown is what no object can show.
	Unknown []string
}

// Taken is how many claims of a role lie in the range.
type Taken struct {
	Role  claim.Role
	Count int
}

// FreeIn proposes up to most addresses of a range that no claim touches: for an
// external address or a pool. The range's own first and last address are left
// out where they may be a subnet's edges, and so is what rule WH206 speaks about.
func FreeIn(in claim.Range, most int, v claim.View, f *cluster.Facts) Free {
	out := Free{In: in, Unknown: unknowns}
	var taken []claim.Range
	counts := map[claim.Role]int{}
	for c := range v.Overlapping(in) {
		taken = append(taken, c.Range)
		counts[c.Role]++
	}
	taken = append(taken, edges(in)...)
	taken = append(taken, mapped)
	for _, u := range f.Unusable() {
		taken = append(taken, claim.PrefixRange(u.Prefix))
	}
	for role, n := range counts {
		out.Taken = append(out.Taken, Taken{role, n})
	}
	slices.SortFunc(out.Taken, func(a, b Taken) int { return int(a.Role) - int(b.Role) })
	out.Addresses = gaps(in, taken, most)
	return out
}

// mapped are IPv4 addresses in IPv6's form: other claims' addresses, unmapped.
var mapped = claim.Range{From: netip.MustParseAddr("::ffff:0:0"), To: netip.MustParseAddr("::ffff:ffff:ffff")}

var unknowns = []string{
	"hosts on the network that are no nodes, and addresses that DHCP hands out",
	"gateways, resolvers and storage that no object names and .whohas.yaml does not reserve",
	"whether the address is routed to the nodes",
}

// edges are the network and broadcast address of an IPv4 CIDR.
func edges(r claim.Range) []claim.Range {
	p, ok := r.Prefix()
	if !ok || r.From.Is6() || p.Bits() >= 31 {
		return nil
	}
	return []claim.Range{claim.Single(r.From), claim.Single(r.To)}
}

// gaps walks through what is taken in order and collects what lies between: its
// work grows with the claims, not with the range.
func gaps(in claim.Range, taken []claim.Range, most int) []netip.Addr {
	slices.SortFunc(taken, claim.Range.Compare)
	var out []netip.Addr
	at := in.From
	for _, t := range taken {
		for at.IsValid() && at.Less(t.From) && in.Contains(at) && len(out) < most {
			out = append(out, at)
			at = at.Next()
		}
		if at.IsValid() && !t.To.Less(at) && t.To.BitLen() == at.BitLen() {
			at = t.To.Next()
		}
	}
	for at.IsValid() && in.Contains(at) && len(out) < most {
		out = append(out, at)
		at = at.Next()
	}
	return out
}
