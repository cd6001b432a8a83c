// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"whohas/claim"
	"whohas/snapshot"
)

// lessOrSame reports whether a claim is another one, or a part of it: what holdings look up,
// one against one.
func lessOrSame(now, was *claim.Claim) bool {
	ports := len(was.Ports) == 0 || len(now.Ports) > 0 && !slices.ContainsFunc(now.Ports, func(p snapshot.Port) bool { return !slices.Contains(was.Ports, p) })
	return ports && (now.Text == was.Text && now.Range == was.Range || was.Range.Covers(now.Range) && canonical(now)) && titleOf(now) == titleOf(was)
}

// TestHoldings: what is found by looking up is what is found by going through all.
func TestHoldings(t *testing.T) {
	lists := []claim.Ports{nil, {{Proto: "TCP", Number: 80}}, {{Proto: "TCP", Number: 80}, {Proto: "UDP", Number: 53}}, {{Proto: "UDP", Number: 53}}}
	drawn := rapid.Custom(func(t *rapid.T) claim.Claim {
		from := rapid.IntRange(0, 12).Draw(t, "from")
		to := min(12, from+rapid.IntRange(0, 5).Draw(t, "length"))
		form := rapid.SampledFrom([]string{"10.0.0.%d", "10.0.0.%d", "2001:db8::%x", "x%d"}).Draw(t, "form")
		at := func(n int) netip.Addr { ip, _ := netip.ParseAddr(fmt.Sprintf(form, n)); return ip }
		c := claim.Claim{Range: claim.Range{From: at(from), To: at(to)}, Ports: rapid.SampledFrom(lists).Draw(t, "ports"),
			Kind: claim.Kind(rapid.SampledFrom([]string{"a", "a", "b"}).Draw(t, "kind"))}
		if c.Text = fmt.Sprintf(form, from); to > from && c.Range.IsValid() {
			c.Text = c.Range.String()
		}
		switch rapid.IntRange(0, 7).Draw(t, "odd") {
		case 0, 1:
			c.Text = "0" + c.Text
		case 2:
			c.Range = claim.Range{} // nobody can read it where it stands
		}
		return c
	})
	rapid.Check(t, func(t *rapid.T) {
		had := rapid.SliceOfN(drawn, 0, 12).Draw(t, "had")
		now := drawn.Draw(t, "now")
		want := slices.ContainsFunc(had, func(was claim.Claim) bool { return lessOrSame(&now, &was) })
		if got := holdingsOf(had).hold(&now); got != want {
			t.Fatalf("%v, want %v\nnow %+v\nhad %+v", got, want, now, had)
		}
	})
}
