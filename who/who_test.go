// SPDX-License-Identifier: Apache-2.0

package who_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/snapshot"
	"whohas/who"
)

func ref(kind, name string) snapshot.Ref { return snapshot.Ref{Kind: kind, Name: name} }

func make1(place string, role claim.Role, owner snapshot.Ref, share string) claim.Claim {
	r, err := claim.ParseRange(place)
	if err != nil {
		panic(err)
	}
	return claim.Claim{Range: r, Text: place, Role: role, By: owner, Owner: owner, Share: share, Kind: claim.Kind(role.String())}
}

// kernel is what a host shows of the address.
func kernel(host string, role claim.Role) claim.Claim {
	c := make1("10.0.0.1", role, ref("Node", host), "")
	c.By, c.Scope = ref("Host", host), claim.Scope{Host: host}
	c.Origin = snapshot.Origin{Host: host, Table: "kube-ipvs0"}
	return c
}

func view(claims ...claim.Claim) claim.View {
	r := claim.NewRegister(len(claims))
	for _, c := range claims {
		r.Add(c)
	}
	return r
}

var facts = &cluster.Facts{Mode: dataplane.IPVS, Nodes: []cluster.Node{
	{Name: "a", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}, {Name: "b", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}},
}}

func finding(place string, s rule.Severity, claims ...claim.Claim) rule.Finding {
	r, err := claim.ParseRange(place)
	if err != nil {
		panic(err)
	}
	return rule.Finding{Rule: &rule.Rule{ID: "WH000"}, Severity: s, Range: r, Claimants: rule.Claimants(rule.Rival, claims...)}
}

func TestVerdict(t *testing.T) {
	node, web, mail := ref("Node", "a"), ref("Service", "web"), ref("Service", "mail")
	host, vip, other := make1("10.0.0.1", claim.Host, node, ""), make1("10.0.0.1", claim.VIP, web, ""), make1("10.0.0.1", claim.VIP, mail, "")
	endpoint := make1("10.0.0.1", claim.ControlPlane, ref("ControlPlane", "apiserver"), "")
	for _, tt := range []struct {
		name     string
		claims   []claim.Claim
		findings []rule.Finding
		want     who.Verdict
	}{
		{name: "nobody", want: who.Unclaimed},
		{name: "only a pool around it", claims: []claim.Claim{make1("10.0.0.0/24", claim.Pool, ref("Pool", "p"), "")}, want: who.Unclaimed},
		{name: "a node", claims: []claim.Claim{host}, want: who.Owned},
		{name: "a node where the apiserver is", claims: []claim.Claim{host, endpoint}, want: who.Owned},
		{name: "one Service in two fields", claims: []claim.Claim{vip, make1("10.0.0.1", claim.Request, web, "")}, want: who.Owned},
		{name: "a control-plane address alone", claims: []claim.Claim{endpoint}, want: who.Owned},
		{name: "seen on hosts alone", claims: []claim.Claim{kernel("a", claim.Observed), kernel("b", claim.Observed)}, want: who.Unclaimed},
		{name: "a ClusterIP that hosts hold", claims: []claim.Claim{make1("10.0.0.1", claim.ClusterIP, web, ""), kernel("a", claim.Observed), kernel("b", claim.Observed)}, want: who.Owned},
		{name: "a node that its kernel shows", claims: []claim.Claim{host, kernel("a", claim.Host)}, want: who.Owned},
		{name: "held elsewhere", claims: []claim.Claim{host, kernel("b", claim.Observed)}, findings: []rule.Finding{finding("10.0.0.1", rule.Critical, host, kernel("b", claim.Observed))}, want: who.Contested},
		{name: "two without a word", claims: []claim.Claim{vip, other}, want: who.Contested},
		{name: "two with one key", claims: []claim.Claim{make1("10.0.0.1", claim.VIP, web, "k"), make1("10.0.0.1", claim.VIP, mail, "k")}, want: who.Shared},
		{name: "two with two keys", claims: []claim.Claim{make1("10.0.0.1", claim.VIP, web, "k"), make1("10.0.0.1", claim.VIP, mail, "l")}, want: who.Contested},
		{name: "a remark", claims: []claim.Claim{host, vip}, findings: []rule.Finding{finding("10.0.0.1", rule.Info, host, vip)}, want: who.Shared},
		{name: "a warning", claims: []claim.Claim{host, vip}, findings: []rule.Finding{finding("10.0.0.1", rule.Warning, host, vip)}, want: who.Contested},
		{name: "a finding about one owner's form", claims: []claim.Claim{vip}, findings: []rule.Finding{finding("10.0.0.1", rule.Warning, vip)}, want: who.Owned},
		{name: "a finding elsewhere", claims: []claim.Claim{host}, findings: []rule.Finding{finding("10.0.0.9", rule.Critical, host, vip)}, want: who.Owned},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := who.Of(claim.Single(netip.MustParseAddr("10.0.0.1")), view(tt.claims...), facts, tt.findings)
			if len(got) != 1 || got[0].Verdict != tt.want {
				t.Errorf("got %+v, want %s", got, tt.want)
			}
		})
	}
}

func TestRange(t *testing.T) {
	v := view(make1("10.0.0.1", claim.Host, ref("Node", "a"), ""), make1("10.0.0.200", claim.VIP, ref("Service", "web"), ""),
		make1("10.0.0.128/25", claim.Pool, ref("Pool", "p"), ""), make1("10.0.1.1", claim.Host, ref("Node", "b"), ""))
	asked := claim.PrefixRange(netip.MustParsePrefix("10.0.0.0/24"))
	var got []string
	for _, a := range who.Of(asked, v, facts, nil) {
		line := a.Range.String() + " " + string(a.Verdict)
		for _, h := range a.Within {
			line += " in " + h.Range.String()
		}
		got = append(got, line)
	}
	want := []string{"10.0.0.0/24 unclaimed in 10.0.0.128/25", "10.0.0.1 owned", "10.0.0.200 owned in 10.0.0.128/25"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestEffectiveInKernels(t *testing.T) {
	port := kernel("b", claim.Observed)
	port.Ports = claim.Ports{{Proto: "TCP", Number: 80}}
	everywhere := make1("10.0.0.1", claim.Observed, ref("Service", "web"), "")
	for want, c := range map[string]claim.Claim{
		"on node b, the whole address": kernel("b", claim.Observed), "on node b, port 80/TCP": port, "in the whole cluster": everywhere,
	} {
		if got := who.Of(claim.Single(netip.MustParseAddr("10.0.0.1")), view(c), facts, nil)[0].Claims[0].Effective; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestEffective(t *testing.T) {
	asked := claim.Single(netip.MustParseAddr("10.0.0.1"))
	v := view(make1("10.0.0.1", claim.VIP, ref("Service", "web"), ""))
	for mode, want := range map[dataplane.ProxyMode]string{
		dataplane.IPVS: "the whole address on b (kube-ipvs0), not on its owner a", dataplane.NFTables: "the Service's ports on every node",
	} {
		f := *facts
		f.Mode, f.Version = mode, kubeproxy.Version{Major: 1, Minor: 36}
		if got := who.Of(asked, v, &f, nil)[0].Claims[0].Effective; got != want {
			t.Errorf("%s: %q, want %q", mode, got, want)
		}
	}
}

// TestFreeIn compares with asking about each address.
func TestFreeIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addr := rapid.Custom(func(t *rapid.T) netip.Addr {
			return netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 40).Draw(t, "last"))})
		})
		span := rapid.Custom(func(t *rapid.T) claim.Range {
			a, b := addr.Draw(t, "from"), addr.Draw(t, "to")
			if b.Less(a) {
				a, b = b, a
			}
			return claim.Range{From: a, To: b}
		})
		var claims []claim.Claim
		for _, r := range rapid.SliceOfN(span, 0, 6).Draw(t, "claims") {
			claims = append(claims, claim.Claim{Range: r, Role: claim.Pool, By: ref("Pool", "p"), Owner: ref("Pool", "p")})
		}
		in, most := span.Draw(t, "in"), rapid.IntRange(0, 50).Draw(t, "most")
		got := who.FreeIn(in, most, view(claims...), &cluster.Facts{}).Addresses
		if want := slowFree(in, claims, most); !slices.Equal(want, got) {
			t.Fatalf("free in %s: %v, want %v (claims %v)", in, got, want, claims)
		}
	})
}

func slowFree(in claim.Range, claims []claim.Claim, most int) []netip.Addr {
	var out []netip.Addr
	p, exact := in.Prefix()
	edge := exact && p.Bits() < 31
	for ip := in.From; in.Contains(ip) && len(out) < most; ip = ip.Next() {
		taken := slices.ContainsFunc(claims, func(c claim.Claim) bool { return c.Range.Contains(ip) })
		if !taken && !(edge && (ip == in.From || ip == in.To)) {
			out = append(out, ip)
		}
	}
	return out
}

// TestFreeInALargeRange: the work follows the claims, not the range.
func TestFreeInALargeRange(t *testing.T) {
	in := claim.PrefixRange(netip.MustParsePrefix("fd00::/8"))
	free := who.FreeIn(in, 2, view(make1("fd00::-fd00::ffff", claim.Pool, ref("Pool", "p"), "")), &cluster.Facts{})
	want := []netip.Addr{netip.MustParseAddr("fd00::1:0"), netip.MustParseAddr("fd00::1:1")}
	if diff := cmp.Diff(want, free.Addresses, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(free.Unknown) == 0 || len(free.Taken) != 1 {
		t.Errorf("says not what is unknown, or not what was counted: %+v", free)
	}
}
