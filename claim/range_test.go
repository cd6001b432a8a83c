// SPDX-License-Identifier: Apache-2.0

package claim_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"whohas/claim"
)

const lastV6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

func TestParseRange(t *testing.T) {
	for _, tt := range []struct{ text, from, to, want string }{
		{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{" 192.0.2.1\t", "192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{"192.0.2.1/32", "192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{"192.0.2.1-192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{"192.0.2.1-192.0.2.2", "192.0.2.1", "192.0.2.2", "192.0.2.1-192.0.2.2"},
		{"192.0.2.2-192.0.2.3", "192.0.2.2", "192.0.2.3", "192.0.2.2/31"},
		{" 192.0.2.2 - 192.0.2.9 ", "192.0.2.2", "192.0.2.9", "192.0.2.2-192.0.2.9"},
		{"192.0.2.9/24", "192.0.2.0", "192.0.2.255", "192.0.2.0/24"},
		{"192.0.2.9 / 24", "192.0.2.0", "192.0.2.255", "192.0.2.0/24"},
		{"192.0.002.010/024", "192.0.2.0", "192.0.2.255", "192.0.2.0/24"},
		{"10.0.0.255-10.0.1.0", "10.0.0.255", "10.0.1.0", "10.0.0.255-10.0.1.0"},
		{"0.0.0.0/0", "0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
		{"0.0.0.0-255.255.255.255", "0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
		{"255.255.255.254-255.255.255.255", "255.255.255.254", "255.255.255.255", "255.255.255.254/31"},
		{"255.255.255.255", "255.255.255.255", "255.255.255.255", "255.255.255.255"},
		{"2001:DB8::1/127", "2001:db8::", "2001:db8::1", "2001:db8::/127"},
		{"2001:db8::1-2001:db8::2", "2001:db8::1", "2001:db8::2", "2001:db8::1-2001:db8::2"},
		{"::/0", "::", lastV6, "::/0"},
		{"::-" + lastV6, "::", lastV6, "::/0"},
		{lastV6, lastV6, lastV6, lastV6},
		{lastV6 + "/128", lastV6, lastV6, lastV6},
		{"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1"},
		{"::ffff:192.0.2.1-192.0.2.4", "192.0.2.1", "192.0.2.4", "192.0.2.1-192.0.2.4"},
		{"::ffff:192.0.2.1/120", "192.0.2.0", "192.0.2.255", "192.0.2.0/24"},
		{"::ffff:0:0/96", "0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
	} {
		got, err := claim.ParseRange(tt.text)
		if want := (claim.Range{From: addr(tt.from), To: addr(tt.to)}); err != nil || got != want {
			t.Errorf("ParseRange(%q) = %v, %v; want %v", tt.text, got, err, want)
		}
		if got.String() != tt.want {
			t.Errorf("ParseRange(%q).String() = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestParseRangeErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                      `not an ip address: ""`,
		"db.example":            `not an ip address: "db.example"`,
		"192.0.2.256":           `not an ip address: "192.0.2.256"`,
		"-":                     `range "-": not an ip address: ""`,
		"192.0.2.1-":            `range "192.0.2.1-": not an ip address: ""`,
		"-192.0.2.1":            `range "-192.0.2.1": not an ip address: ""`,
		"192.0.2.1-9":           `range "192.0.2.1-9": not an ip address: "9"`,
		"192.0.2.1-9-10":        `range "192.0.2.1-9-10": not an ip address: "9-10"`,
		"192.0.2.2-192.0.2.1":   `range "192.0.2.2-192.0.2.1": ends before it begins`,
		"192.0.2.1-2001:db8::1": `range "192.0.2.1-2001:db8::1": two address families`,
		"10.0.0.0/24-10.0.1.0":  `range "10.0.0.0/24-10.0.1.0": not an ip address: "10.0.0.0/24"`,
		"/24":                   `cidr "/24": not an ip address: ""`,
		"192.0.2.0/":            `cidr "192.0.2.0/": bad prefix length ""`,
		"192.0.2.0/33":          `cidr "192.0.2.0/33": bad prefix length "33"`,
		"192.0.2.0/+8":          `cidr "192.0.2.0/+8": bad prefix length "+8"`,
		"192.0.2.0/24/24":       `cidr "192.0.2.0/24/24": bad prefix length "24/24"`,
		"192.0.2.0/-1":          `range "192.0.2.0/-1": not an ip address: "192.0.2.0/"`,
		"2001:db8::/129":        `cidr "2001:db8::/129": bad prefix length "129"`,
		"2001:db8::/512":        `cidr "2001:db8::/512": bad prefix length "512"`,
		// Not 10.0.0.0/24: the mapped range has addresses that are not IPv4.
		"::ffff:10.0.0.0/24": `cidr "::ffff:10.0.0.0/24": bad prefix length "24"`,
	} {
		got, err := claim.ParseRange(text)
		if err == nil || err.Error() != want || got != (claim.Range{}) {
			t.Errorf("ParseRange(%q) = %v, error %v; want error %s", text, got, err, want)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{
		"", "192.0.2.1", "0.0.0.0/0", "::/0", "192.0.2.010 - 192.0.2.20", "::ffff:10.0.0.0/104", "fe80::1%eth0/64",
		lastV6 + "/127", "255.255.255.254-255.255.255.255", "1-2", "10.0.0.0/08", "::/80",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := claim.ParseRange(text)
		if err != nil {
			if r != (claim.Range{}) {
				t.Fatalf("%q: %v with error %v", text, r, err)
			}
			return
		}
		// A wide range of IPv6, such as ::/80, ends at a mapped address without being one.
		if !r.IsValid() || r.From.Is4In6() || r.From.Zone() != "" || r.To.Zone() != "" {
			t.Fatalf("%q: %#v", text, r)
		}
		if again, err := claim.ParseRange(r.String()); err != nil || again != r {
			t.Fatalf("%q: %v is read back as %v, %v", text, r, again, err)
		}
	})
}

// window lists the n addresses from the first; less where the space ends.
func window(first string, n int) []netip.Addr {
	var ips []netip.Addr
	for ip := addr(first); ip.IsValid() && len(ips) < n; ip = ip.Next() {
		ips = append(ips, ip)
	}
	return ips
}

// windows are small universes at both ends and across boundaries of octets,
// of words, and of the halves of the space.
var windows = []string{
	"0.0.0.0", "10.0.0.250", "127.255.255.250", "255.255.255.240", "::", "fd00::fffa", "2001:db8::ffff:ffff:ffff:fffa",
	"7fff:ffff:ffff:ffff:ffff:ffff:ffff:fffa", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0",
}

// spans calls f with every range of a window, and which addresses it holds.
func spans(ips []netip.Addr, f func(r claim.Range, in []bool)) {
	for a := range ips {
		for b := a; b < len(ips); b++ {
			in := make([]bool, len(ips))
			for i := a; i <= b; i++ {
				in[i] = true
			}
			f(claim.Range{From: ips[a], To: ips[b]}, in)
		}
	}
}

// held asks ranges for each address of a window.
func held(ips []netip.Addr, ranges ...claim.Range) []bool {
	in := make([]bool, len(ips))
	for i, ip := range ips {
		in[i] = slices.ContainsFunc(ranges, func(r claim.Range) bool { return r.Contains(ip) })
	}
	return in
}

func TestContainsAndWithout(t *testing.T) {
	for _, first := range windows {
		ips := window(first, 16)
		spans(ips, func(r claim.Range, in []bool) {
			if got := held(ips, r); !slices.Equal(got, in) {
				t.Fatalf("%v holds %v of %v, want %v", r, got, ips, in)
			}
			for i, ip := range ips {
				parts := r.Without(claim.Single(ip))
				want := slices.Clone(in)
				want[i] = false
				if got := held(ips, parts...); !slices.Equal(got, want) {
					t.Fatalf("%v without %v = %v", r, ip, parts)
				}
				for _, p := range parts {
					if !p.IsValid() || !r.Covers(p) {
						t.Fatalf("%v without %v = %v: %v", r, ip, parts, p)
					}
				}
			}
		})
	}
	if whole := rng("0.0.0.0/0"); whole.Contains(addr("::")) || len(whole.Without(claim.Single(addr("::")))) != 1 {
		t.Errorf("%v holds an IPv6 address", whole)
	}
}

func TestIntersect(t *testing.T) {
	for _, first := range windows {
		ips := window(first, 8)
		spans(ips, func(a claim.Range, inA []bool) {
			spans(ips, func(b claim.Range, inB []bool) {
				want, any, all := make([]bool, len(ips)), false, true
				for i := range ips {
					want[i] = inA[i] && inB[i]
					any = any || want[i]
					all = all && want[i] == inB[i]
				}
				x := a.Intersect(b)
				if got := held(ips, x); !slices.Equal(got, want) || !any && x != (claim.Range{}) {
					t.Fatalf("%v and %v share %v", a, b, x)
				}
				if a.Overlaps(b) != any || a.Covers(b) != all {
					t.Fatalf("%v overlaps %v: %v, covers it: %v; want %v, %v", a, b, a.Overlaps(b), a.Covers(b), any, all)
				}
			})
		})
	}
	for _, o := range []claim.Range{{}, rng("::/0"), {From: addr("10.0.0.2"), To: addr("10.0.0.1")}, {From: addr("10.0.0.1"), To: addr("::1")}} {
		r := rng("0.0.0.0/0")
		if r.Overlaps(o) || o.Overlaps(r) || r.Covers(o) || o.Covers(r) || o.Contains(addr("10.0.0.1")) {
			t.Errorf("%#v shares something with %v", o, r)
		}
	}
}

// halves finds the fewest prefixes from above: a prefix that is not all in the
// range is cut in two.
func halves(p netip.Prefix, last netip.Addr, r claim.Range) []netip.Prefix {
	first := p.Addr()
	if last.Less(r.From) || r.To.Less(first) {
		return nil
	}
	if !first.Less(r.From) && !r.To.Less(last) {
		return []netip.Prefix{p}
	}
	middle := first.AsSlice()
	middle[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	upper, _ := netip.AddrFromSlice(middle)
	return append(halves(netip.PrefixFrom(first, p.Bits()+1), upper.Prev(), r),
		halves(netip.PrefixFrom(upper, p.Bits()+1), last, r)...)
}

func wantPrefixes(r claim.Range) []netip.Prefix {
	if r.From.Is4() {
		return halves(netip.MustParsePrefix("0.0.0.0/0"), addr("255.255.255.255"), r)
	}
	return halves(netip.MustParsePrefix("::/0"), addr(lastV6), r)
}

func TestPrefixes(t *testing.T) {
	check := func(r claim.Range) {
		got, want := slices.Collect(r.Prefixes()), wantPrefixes(r)
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Fatalf("prefixes of %v: (-want +got)\n%s", r, diff)
		}
		p, ok := r.Prefix()
		if ok != (len(want) == 1) || ok && p != want[0] {
			t.Fatalf("prefix of %v: %v, %v; want one of %v", r, p, ok, want)
		}
		if again, err := claim.ParseRange(r.String()); err != nil || again != r {
			t.Fatalf("%v is read back as %v, %v", r, again, err)
		}
		if ok && claim.PrefixRange(p) != r {
			t.Fatalf("range of %v: %v, want %v", p, claim.PrefixRange(p), r)
		}
	}
	for _, first := range windows {
		spans(window(first, 20), func(r claim.Range, _ []bool) { check(r) })
	}
	for _, s := range []string{
		"0.0.0.0/0", "::/0", "0.0.0.1-255.255.255.254", "0.0.0.0-255.255.255.254", "::1-" + lastV6, "::1-" + strings.TrimSuffix(lastV6, "f") + "e",
	} {
		check(rng(s))
	}
	for _, r := range []claim.Range{{}, {From: addr("::1"), To: addr("::")}} {
		if _, ok := r.Prefix(); ok || r.IsValid() || r.String() != "invalid range" || len(slices.Collect(r.Prefixes())) > 0 {
			t.Errorf("%#v passes for a range", r)
		}
	}
	for p := range rng("::1-" + lastV6).Prefixes() {
		if p.Bits() != 128 {
			t.Errorf("first prefix %v", p)
		}
		break
	}
	if r := claim.PrefixRange(netip.Prefix{}); r != (claim.Range{}) {
		t.Errorf("range of no prefix: %v", r)
	}
}

func TestCompareRanges(t *testing.T) {
	want := []string{"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/31", "10.0.0.0", "10.0.0.1", lastV6}
	var got []claim.Range
	for _, s := range want {
		got = append(got, rng(s))
	}
	slices.Reverse(got)
	slices.SortFunc(got, claim.Range.Compare)
	for i, r := range got {
		if r.String() != want[i] {
			t.Errorf("place %d has %v, want %s", i, r, want[i])
		}
	}
}

// TestWithoutRange compares with asking about each address.
func TestWithoutRange(t *testing.T) {
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{255, 255, 255, byte(248 + n)}) } // to the end of the space
	for a := range 8 {
		for b := a; b < 8; b++ {
			for x := range 8 {
				for y := x; y < 8; y++ {
					r, out := claim.Range{From: at(a), To: at(b)}, claim.Range{From: at(x), To: at(y)}
					left := r.Without(out)
					for n := range 8 {
						in := 0
						for _, l := range left {
							if l.Contains(at(n)) {
								in++
							}
						}
						if want := r.Contains(at(n)) && !out.Contains(at(n)); (in == 1) != want || in > 1 {
							t.Fatalf("%s without %s is %v: %s", r, out, left, at(n))
						}
					}
				}
			}
		}
	}
}
