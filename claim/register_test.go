// SPDX-License-Identifier: Apache-2.0

package claim_test

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"whohas/claim"
	"whohas/claim/internal/slow"
	"whohas/snapshot"
)

// points is a small universe: enough neighbours to begin, end and cross every
// sort of prefix, and both ends of both address spaces.
var points = func() []netip.Addr {
	ips := addrs("0.0.0.0", "0.0.0.1", "0.0.0.2", "255.255.255.252", "255.255.255.254", "255.255.255.255",
		"::", "::1", "::2", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd00::ffff:ffff:ffff:ffff", "fd00:0:0:1::")
	for i := range 10 {
		ips = append(ips, addr(fmt.Sprintf("10.0.0.%d", i)), addr(fmt.Sprintf("fd00::%x", i)))
	}
	return ips
}()

// probes are ranges that each step asks about.
var probes = []claim.Range{
	{}, rng("0.0.0.0/0"), rng("::/0"), rng("10.0.0.0/31"), rng("10.0.0.3"), rng("10.0.0.1-10.0.0.8"), rng("10.0.0.4/30"),
	rng("255.255.255.254-255.255.255.255"), rng("0.0.0.1-255.255.255.254"), rng("fd00::1/127"), rng("fd00::3-fd00::7"),
	rng("fd00::/64"), rng("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"), rng("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
	{From: addr("10.0.0.3"), To: addr("10.0.0.2")}, {From: addr("10.0.0.3"), To: addr("fd00::1")},
}

var owners = []snapshot.Ref{
	{Kind: "Node", Name: "a"}, {Kind: "Service", Namespace: "demo", Name: "a"},
	{Kind: "Service", Namespace: "demo", Name: "b"}, {Group: "metallb.io", Kind: "IPAddressPool", Name: "a"},
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func addrs(texts ...string) []netip.Addr {
	ips := make([]netip.Addr, len(texts))
	for i, s := range texts {
		ips[i] = addr(s)
	}
	return ips
}

func rng(s string) claim.Range {
	r, err := claim.ParseRange(s)
	if err != nil {
		panic(err)
	}
	return r
}

func drawRange(t *rapid.T) claim.Range {
	a := rapid.SampledFrom(points).Draw(t, "from")
	switch rapid.SampledFrom([]string{"single", "prefix", "span", "none"}).Draw(t, "sort") {
	case "single":
		return claim.Single(a)
	case "prefix":
		host := rapid.SampledFrom([]int{0, 1, 2, 3, 8, a.BitLen() / 2, a.BitLen()}).Draw(t, "host bits")
		return claim.PrefixRange(netip.PrefixFrom(a, a.BitLen()-host))
	case "span":
		b := rapid.SampledFrom(points).Filter(func(b netip.Addr) bool { return a.Is4() == b.Is4() }).Draw(t, "to")
		if b.Less(a) {
			a, b = b, a
		}
		return claim.Range{From: a, To: b}
	default:
		return claim.Range{}
	}
}

func drawClaim(t *rapid.T) claim.Claim {
	return claim.Claim{
		Range: drawRange(t),
		Role:  rapid.SampledFrom([]claim.Role{claim.Host, claim.VIP, claim.Pool}).Draw(t, "role"),
		By:    rapid.SampledFrom(owners).Draw(t, "by"),
		// Few lines, so that equal claims are added twice now and then.
		Origin: snapshot.Origin{Line: rapid.IntRange(1, 3).Draw(t, "line")},
	}
}

// TestRegister takes random steps and holds every answer up against the slow
// register, and against a register that is made from scratch.
func TestRegister(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fast := new(claim.Register)
		var want slow.Register
		var old *claim.Register // a clone, or what was cloned
		var wantOld slow.Register
		t.Repeat(map[string]func(*rapid.T){
			"clone": func(t *rapid.T) {
				old, wantOld = fast.Clone(), slow.Register{}
				for c := range want.All() {
					wantOld.Add(c)
				}
				if rapid.Bool().Draw(t, "go on with the clone") {
					fast, old = old, fast
				}
			},
			"add": func(t *rapid.T) {
				c := drawClaim(t)
				fast.Add(c)
				want.Add(c)
			},
			"replace": func(t *rapid.T) {
				by := rapid.SampledFrom(owners).Draw(t, "object")
				now := rapid.SliceOfN(rapid.Custom(drawClaim), 0, 4).Draw(t, "now")
				same(t, "Replace", slices.Values(fast.Replace(by, now)), slices.Values(want.Replace(by, now)))
			},
			"overlay": func(t *rapid.T) {
				drop := rapid.SliceOfN(rapid.SampledFrom(owners), 0, 2).Draw(t, "drop")
				add := rapid.SliceOfN(rapid.Custom(drawClaim), 0, 3).Draw(t, "add")
				over, wantOver := claim.Overlay(fast, drop, add), want.Overlay(drop, add)
				sameView(t, over, wantOver)
				sameView(t, claim.Overlay(over, drop[:len(drop)/2], add), wantOver.Overlay(drop[:len(drop)/2], add))
			},
			"": func(t *rapid.T) {
				sameView(t, fast, &want)
				if old != nil {
					sameView(t, old, &wantOld)
				}
				if fast.Len() != want.Len() {
					t.Fatalf("Len: %d, want %d", fast.Len(), want.Len())
				}
				again := claim.NewRegister(want.Len())
				for c := range want.All() {
					again.Add(c)
				}
				sameView(t, again, &want)
			},
		})
	})
}

func sameView(t *rapid.T, got, want claim.View) {
	t.Helper()
	for _, ip := range append(points, netip.Addr{}) {
		same(t, "On "+ip.String(), got.On(ip), want.On(ip))
	}
	for _, r := range append(probes, drawRange(t)) {
		same(t, "Overlapping "+r.String(), got.Overlapping(r), want.Overlapping(r))
		for _, roles := range []claim.Roles{claim.Pool, ^claim.Pool, claim.Host | claim.Pool, claim.VIP | claim.Request} {
			same(t, "OverlappingIn "+r.String()+" "+roles.String(), got.OverlappingIn(r, roles), want.OverlappingIn(r, roles))
		}
	}
	for _, by := range append(owners, snapshot.Ref{Kind: "Node", Name: "stranger"}) {
		same(t, "Of "+by.String(), got.Of(by), want.Of(by))
	}
	same(t, "All", got.All(), want.All())
}

// same compares as sorted lists, so that a claim that comes twice shows.
func same(t *rapid.T, what string, got, want iter.Seq[claim.Claim]) {
	t.Helper()
	g, w := slices.SortedFunc(got, claim.Compare), slices.SortedFunc(want, claim.Compare)
	if slices.EqualFunc(g, w, func(a, b claim.Claim) bool { return claim.Compare(a, b) == 0 }) {
		return
	}
	t.Fatalf("%s: (-want +got)\n%s", what, cmp.Diff(w, g, cmpopts.EquateComparable(netip.Addr{})))
}

// TestBreak leaves every iterator after each possible number of claims, and
// ranges over it again: it must start over.
func TestBreak(t *testing.T) {
	var base claim.Register
	for i, s := range []string{"10.0.0.0/8", "10.0.0.1-10.0.0.6", "10.0.0.5", "10.0.0.5", "10.0.0.4/30", "0.0.0.0/0"} {
		base.Add(claim.Claim{Range: rng(s), Role: claim.VIP, By: owners[1], Origin: snapshot.Origin{Line: i}})
	}
	for name, v := range map[string]claim.View{
		"register": &base,
		"overlay":  claim.Overlay(&base, nil, []claim.Claim{{Range: rng("10.0.0.5"), Role: claim.VIP, By: owners[1]}}),
	} {
		for what, seq := range map[string]iter.Seq[claim.Claim]{
			"On": v.On(addr("10.0.0.5")), "Overlapping": v.Overlapping(rng("10.0.0.3-10.0.0.9")), "Of": v.Of(owners[1]), "All": v.All(),
		} {
			all := slices.Collect(seq)
			if len(all) < base.Len() {
				t.Errorf("%s, %s: %d claims, want at least %d", name, what, len(all), base.Len())
			}
			for n := 1; n <= len(all); n++ {
				var some []claim.Claim
				for c := range seq {
					if some = append(some, c); len(some) == n {
						break
					}
				}
				if diff := cmp.Diff(all[:n], some, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
					t.Errorf("%s, %s left after %d: (-want +got)\n%s", name, what, n, diff)
				}
			}
		}
	}
}

// crowd is a big cluster: 200,000 single claims and 2,000 ranges.
func crowd() []claim.Claim {
	claims := make([]claim.Claim, 0, 202_000)
	ip := addr("10.0.0.0")
	for i := range 200_000 {
		by := snapshot.Ref{Kind: "Pod", Namespace: "demo", Name: fmt.Sprintf("pod-%d", i)}
		claims = append(claims, claim.Claim{Range: claim.Single(ip), Role: claim.PodIP, By: by, Owner: by})
		ip = ip.Next()
	}
	for i := range 2_000 {
		by := snapshot.Ref{Group: "metallb.io", Kind: "IPAddressPool", Name: fmt.Sprintf("pool-%d", i)}
		r := rng(fmt.Sprintf("10.%d.%d.3-10.%d.%d.250", i/256, i%256, i/256, i%256))
		claims = append(claims, claim.Claim{Range: r, Role: claim.Pool, By: by, Owner: by})
	}
	return claims
}

func crowded(claims []claim.Claim) *claim.Register {
	r := claim.NewRegister(len(claims))
	for _, c := range claims {
		r.Add(c)
	}
	return r
}

func BenchmarkRegister(b *testing.B) {
	claims := crowd()
	b.Run("build", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			crowded(claims)
		}
	})
	r := crowded(claims)
	b.Run("on", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			for range r.On(claims[i*7919%200_000].Range.From) {
			}
		}
	})
	b.Run("replace", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c := claims[i*7919%len(claims)]
			r.Replace(c.By, []claim.Claim{c})
		}
	})
	b.Run("overlapping", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			for range r.Overlapping(claims[200_000+i%2_000].Range) {
			}
		}
	})
	b.Run("overlapping everything", func(b *testing.B) {
		everything := rng("0.0.0.0/0")
		for b.Loop() {
			for range r.Overlapping(everything) {
			}
		}
	})
}
