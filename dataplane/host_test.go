// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"whohas/dataplane"
)

// TestSetHas holds the search against a reading of every member.
func TestSetHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.10", "10.0.0.100", "10.0.0.2", "10.0.0.0", "fd00::1", "fd00::10", "::1"})
		member := rapid.Custom(func(t *rapid.T) string {
			return address.Draw(t, "address") + rapid.SampledFrom([]string{"", ",tcp:80", ",udp:53", ",10.0.0.1", "/24", "/24,tcp:80"}).Draw(t, "rest")
		})
		s := dataplane.Set{Members: rapid.SliceOfN(member, 0, 12).Draw(t, "members")}
		slices.Sort(s.Members)
		ip := netip.MustParseAddr(address.Draw(t, "ip"))
		want := slices.ContainsFunc(s.Members, func(m string) bool {
			first, _, _ := strings.Cut(m, ",")
			got, err := netip.ParseAddr(first)
			return err == nil && got == ip
		})
		if got := s.Has(ip); got != want {
			t.Errorf("%s in %q: %v, want %v", ip, s.Members, got, want)
		}
	})
}
