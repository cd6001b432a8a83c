// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var exported = cmp.Options{cmp.AllowUnexported(arpPacket{}, advertisement{}), cmpopts.EquateComparable(netip.Addr{})}

func bytesOf(t testing.TB, words ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(words, ""), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// changed is a frame with other bytes at some place.
func changed(b []byte, at int, to ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], to)
	return b
}

var (
	me    = mac{2, 0, 0, 0, 0, 1}
	other = mac{2, 0, 0, 0, 0, 9}
	ip4   = netip.MustParseAddr("192.168.10.114")
	ip6   = netip.MustParseAddr("2001:db8::12:3456")
)

func TestARPProbe(t *testing.T) {
	want := bytesOf(t, "0001 0800 06 04 0001", "020000000001 00000000", "000000000000 c0a80a72")
	if diff := cmp.Diff(want, arpProbe(me, ip4)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func reply(who mac, ip netip.Addr) arpPacket {
	return arpPacket{op: arpReply, sender: who, senderIP: ip, target: me, targetIP: netip.IPv4Unspecified()}
}

func TestDecodeARP(t *testing.T) {
	good := reply(other, ip4).encode()
	for name, c := range map[string]struct {
		frame []byte
		err   string
	}{
		"a reply":           {good, ""},
		"with padding":      {append(bytes.Clone(good), make([]byte, 18)...), ""},
		"with other bytes":  {append(bytes.Clone(good), 0xff), ""},
		"nothing":           {nil, "cut short"},
		"a byte less":       {good[:27], "cut short"},
		"hardware 6":        {changed(good, 1, 6), "not IPv4 over Ethernet"},
		"protocol IPv6":     {changed(good, 2, 0x86, 0xdd), "not IPv4 over Ethernet"},
		"hardware length 8": {changed(good, 4, 8), "not IPv4 over Ethernet"},
		"protocol length 0": {changed(good, 5, 0), "not IPv4 over Ethernet"},
		"RARP":              {changed(good, 7, 3), "neither request nor reply"},
		"operation 0x0102":  {changed(good, 6, 1), "neither request nor reply"},
		"sender zero":       {changed(good, 8, make([]byte, 6)...), "no sender"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := decodeARP(c.frame)
			if !matches(err, c.err) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if diff := cmp.Diff(reply(other, ip4), p, exported); err == nil && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func matches(err error, want string) bool {
	return err == nil && want == "" || err != nil && want != "" && strings.Contains(err.Error(), want)
}

func TestARPAnswer(t *testing.T) {
	zero := netip.IPv4Unspecified()
	for name, c := range map[string]struct {
		packet arpPacket
		want   string
	}{
		"a reply":               {reply(other, ip4), "192.168.10.114 is at 02:00:00:00:00:09"},
		"an announcement":       {arpPacket{op: arpRequest, sender: other, senderIP: ip4, targetIP: ip4}, "192.168.10.114 is at 02:00:00:00:00:09"},
		"a request for another": {arpPacket{op: arpRequest, sender: other, senderIP: ip4, targetIP: netip.MustParseAddr("192.168.10.1")}, "192.168.10.114 is at 02:00:00:00:00:09"},
		"another's probe":       {arpPacket{op: arpRequest, sender: other, senderIP: zero, targetIP: ip4}, ""},
		"a reply from nobody":   {arpPacket{op: arpReply, sender: other, senderIP: zero, targetIP: ip4}, ""},
	} {
		got := ""
		if ip, who, ok := c.packet.answer(); ok {
			got = fmt.Sprint(ip, " is at ", who)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestSolicit(t *testing.T) {
	b := solicit(ip6)
	want := bytesOf(t, "60000000 0018 3a ff", "00000000000000000000000000000000", "ff0200000000000000000001ff123456",
		"87 00 e41e 00000000", "20010db8000000000000000000123456")
	if diff := cmp.Diff(want, b); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if checksum(b) != 0xffff {
		t.Errorf("the checksum %x is wrong", b[42:44])
	}
	if got := solicitedMAC(ip6).String(); got != "33:33:ff:12:34:56" {
		t.Errorf("sent to %s", got)
	}
}

// advertise is an advertisement as Linux answers a solicitation without a source:
// to all nodes, overriding, with the target's MAC.
func advertise(who mac, ip netip.Addr) []byte {
	option := append([]byte{optionTargetMAC, 1}, who[:]...)
	return advertiseWith(0x20, ip, netip.MustParseAddr("ff02::1"), option)
}

func advertiseWith(flags byte, ip, to netip.Addr, options []byte) []byte {
	m := append([]byte{advert, 0, 0, 0, flags, 0, 0, 0}, ip.AsSlice()...)
	return ndpPacket(ip, to, append(m, options...))
}

// sound corrects a changed packet's checksum: what is refused then is refused for
// the change.
func sound(b []byte) []byte {
	m := bytes.Clone(b[ipv6Size:])
	out := ndpPacket(netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), m)
	copy(out[:8], b[:8])
	return out
}

func TestDecodeAdvertisement(t *testing.T) {
	good := advertise(other, ip6)
	nodes := netip.MustParseAddr("ff02::1")
	own := netip.MustParseAddr("fe80::1")
	target := append([]byte{2, 1}, other[:]...)
	nonce := []byte{14, 1, 1, 2, 3, 4, 5, 6}
	for name, c := range map[string]struct {
		frame []byte
		want  mac
		err   string
	}{
		"an answer":                   {good, other, ""},
		"with padding":                {append(bytes.Clone(good), 1, 2, 3), other, ""},
		"no option":                   {advertiseWith(0, ip6, nodes, nil), mac{}, ""},
		"another option first":        {advertiseWith(0, ip6, nodes, append(bytes.Clone(nonce), target...)), other, ""},
		"two of them":                 {advertiseWith(0, ip6, nodes, append(bytes.Clone(target), 2, 1, 2, 0, 0, 0, 0, 7)), other, ""},
		"solicited, to one":           {advertiseWith(0x60, ip6, own, target), other, ""},
		"solicited, to a group":       {advertiseWith(0x60, ip6, nodes, target), mac{}, "solicited"},
		"nothing":                     {nil, mac{}, "cut short"},
		"a byte less":                 {good[:len(good)-1], mac{}, "length is wrong"},
		"a header only":               {good[:40], mac{}, "cut short"},
		"length 0":                    {sound(changed(good, 4, 0, 0)), mac{}, "length is wrong"},
		"length without target":       {changed(good, 4, 0, 23), mac{}, "length is wrong"},
		"version 4":                   {changed(good, 0, 0x45), mac{}, "not ICMPv6"},
		"hop-by-hop options":          {changed(good, 6, 0), mac{}, "not ICMPv6"},
		"forwarded":                   {changed(good, 7, 254), mac{}, "hop limit"},
		"checksum":                    {changed(good, 42, good[42]^1), mac{}, "checksum"},
		"another source":              {changed(good, 23, 0), mac{}, "checksum"},
		"no checksum":                 {changed(good, 42, 0, 0), mac{}, "checksum"},
		"from a group":                {sound(changed(good, 8, 0xff)), mac{}, "from a group"},
		"a solicitation":              {sound(changed(good, 40, solicitation)), mac{}, "not an advertisement"},
		"code 1":                      {sound(changed(good, 41, 1)), mac{}, "not an advertisement"},
		"for a group":                 {sound(changed(good, 48, 0xff)), mac{}, "no host's address"},
		"for nobody":                  {advertiseWith(0, netip.IPv6Unspecified(), nodes, target), mac{}, "no host's address"},
		"option of no length":         {sound(changed(good, 65, 0)), mac{}, "option's length"},
		"option that ends behind":     {sound(changed(good, 65, 2)), mac{}, "option's length"},
		"a piece of an option":        {advertiseWith(0, ip6, nodes, []byte{14, 1, 0}), mac{}, "option's length"},
		"a bad option behind":         {advertiseWith(0, ip6, nodes, append(bytes.Clone(target), 14, 0, 0, 0, 0, 0, 0, 0)), mac{}, "option's length"},
		"an address of InfiniBand":    {advertiseWith(0, ip6, nodes, append([]byte{2, 3}, make([]byte, 22)...)), mac{}, "not Ethernet's"},
		"an address that is all zero": {advertiseWith(0, ip6, nodes, []byte{2, 1, 0, 0, 0, 0, 0, 0}), mac{}, "not Ethernet's"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := decodeAdvertisement(c.frame)
			if !matches(err, c.err) {
				t.Fatalf("error %v, want %q", err, c.err)
			}
			if diff := cmp.Diff(advertisement{ip6, c.want}, a, exported); err == nil && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestARPRoundTrip: whatever is written is read the same, whatever padding follows.
func TestARPRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "fields")
		want := arpPacket{op: rapid.SampledFrom([]uint16{arpRequest, arpReply}).Draw(t, "op"),
			sender: mac(bytes), senderIP: netip.AddrFrom4([4]byte(bytes[6:])),
			target: mac(bytes[10:]), targetIP: netip.AddrFrom4([4]byte(bytes[16:]))}
		want.sender[0] |= 2 // never all zero
		got, err := decodeARP(append(want.encode(), rapid.SliceOf(rapid.Byte()).Draw(t, "padding")...))
		if err != nil || got != want {
			t.Fatalf("%+v is read as %+v, %v", want, got, err)
		}
	})
}

// TestAdvertisementRoundTrip: whatever is written is read the same, and not at all
// once a bit of it has changed, but for those that no checksum covers.
func TestAdvertisementRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ip := netip.AddrFrom16([16]byte(append([]byte{0x20}, rapid.SliceOfN(rapid.Byte(), 15, 15).Draw(t, "target")...)))
		who := mac(append([]byte{2}, rapid.SliceOfN(rapid.Byte(), 5, 5).Draw(t, "mac")...))
		b := advertise(who, ip)
		got, err := decodeAdvertisement(append(bytes.Clone(b), rapid.SliceOf(rapid.Byte()).Draw(t, "padding")...))
		if err != nil || got != (advertisement{ip, who}) {
			t.Fatalf("%v at %v is read as %+v, %v", ip, who, got, err)
		}
		at := rapid.IntRange(4, len(b)-1).Draw(t, "byte") // before are traffic class and flow label
		b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if got, err := decodeAdvertisement(b); err == nil {
			t.Fatalf("with byte %d changed it is read as %+v", at, got)
		}
	})
}

// TestSolicitation: every solicitation is sound, and goes to the group of its target.
func TestSolicitation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ip := netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "target")))
		b := solicit(ip)
		m := solicitedMAC(ip)
		if _, err := ndpOf(b); err != nil || !bytes.Equal(b[48:64], ip.AsSlice()) || !bytes.Equal(m[2:], b[36:40]) || m[0] != 0x33 {
			t.Fatalf("%x to %v: %v", b, m, err)
		}
	})
}

func FuzzARP(f *testing.F) {
	f.Add(arpProbe(me, ip4))
	f.Add(reply(other, ip4).encode())
	f.Add([]byte{0, 1, 8, 0, 6, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodeARP(b)
		if err != nil {
			return
		}
		if !bytes.Equal(p.encode(), b[:arpSize]) {
			t.Errorf("%x is read as %+v", b, p)
		}
		if ip, who, ok := p.answer(); ok && (ip.IsUnspecified() || who == mac{}) {
			t.Errorf("%x: %v is at %v", b, ip, who)
		}
	})
}

func FuzzAdvertisement(f *testing.F) {
	f.Add(advertise(other, ip6)) // with its checksum as it comes, and then corrected
	f.Add(solicit(ip6))
	f.Add(advertiseWith(0x40, ip6, netip.MustParseAddr("fe80::1"), []byte{14, 1, 0, 0, 0, 0, 0, 0}))
	f.Add(advertiseWith(0, ip6, netip.MustParseAddr("ff02::1"), []byte{2, 3, 0, 0, 0, 0, 0, 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		frames := [][]byte{b}
		if len(b) > ipv6Size+ndpSize { // chance does not find checksums
			frames = append(frames, sound(b))
		}
		for _, b := range frames {
			a, err := decodeAdvertisement(b)
			if err != nil {
				continue
			}
			if b[7] != ndpHopLimit || b[40] != advert || a.target.IsMulticast() || !bytes.Equal(a.target.AsSlice(), b[48:64]) {
				t.Errorf("%x is read as %+v", b, a)
			}
			if a.mac != (mac{}) && !bytes.Contains(b[64:], append([]byte{2, 1}, a.mac[:]...)) {
				t.Errorf("%x does not say %v", b, a.mac)
			}
		}
	})
}

func TestTidy(t *testing.T) {
	ip := netip.MustParseAddr
	good, bad := tidy([]Target{
		{"eth1", ip("192.0.2.1")}, {"eth0", ip("2001:db8::1")}, {"eth0", ip("::ffff:192.0.2.1")}, {"eth0", ip("192.0.2.1")},
		{"eth0", ip("fe80::1%eth0")}, {"eth0", netip.Addr{}}, {"eth0", ip("0.0.0.0")}, {"eth0", ip("ff02::1")},
		{"eth0", ip("::1")}, {"eth0", ip("127.0.0.2")}, {"eth0", ip("255.255.255.255")}, {"", ip("224.0.0.1")},
	})
	want := []Target{{"eth0", ip("192.0.2.1")}, {"eth1", ip("192.0.2.1")}, {"eth0", ip("2001:db8::1")}, {"eth0", ip("fe80::1")}}
	if diff := cmp.Diff(want, good, exported); diff != "" {
		t.Errorf("good (-want +got):\n%s", diff)
	}
	wantErr := `ask eth0 for invalid IP: not an address
ask eth0 for 0.0.0.0: no host's address on a link
ask eth0 for 127.0.0.2: no host's address on a link
ask no link for 224.0.0.1: no host's address on a link
ask eth0 for 255.255.255.255: no host's address on a link
ask eth0 for ::1: no host's address on a link
ask eth0 for ff02::1: no host's address on a link`
	if diff := cmp.Diff(wantErr, fmt.Sprint(join(bad))); diff != "" {
		t.Errorf("bad (-want +got):\n%s", diff)
	}
	if err := join(nil); err != nil {
		t.Errorf("no errors are %v", err)
	}
}
