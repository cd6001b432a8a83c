// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// The text of linux net/netfilter/ipvs/ip_vs_ctl.c ip_vs_info_seq_show.
const listed = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C0A80A72:0050 rr persistent 10800 FFFFFFFF
  -> 0A000006:1F90      Masq    1      0          0
  -> 0A000005:1F90      Masq    0      3          12
TCP  0A600001:01BB rr
UDP  [2001:0db8:0000:0000:0000:0000:0000:000a]:0035 mh ops
  -> [2001:0db8:0000:0000:0000:0000:0000:0005]:0035      Route   2      0          0
FWM  00000007 wlc
  -> 0A000009:0000      Tunnel  1      0          0
  -> 0A000008:0000      Local   1      0          0
FWM  00000008 wlc
  -> 0A000009:0000      Tunnel  1      0          0
FWM  00000008 wlc
  -> [2001:0db8:0000:0000:0000:0000:0000:0005]:0000      Tunnel  1      0          0
TCP  0A600002:01BB rr
  -> 0A000009:01BB      Twisted 1      0          0
`

func TestListing(t *testing.T) {
	ip := netip.MustParseAddr
	got, err := parseListing(context.Background(), strings.NewReader(listed))
	if err != nil {
		t.Fatal(err)
	}
	want := listing{
		{proto: "TCP", ip: ip("192.168.10.114"), port: 80}: {{IP: ip("10.0.0.5"), Port: 8080, Forward: "masq"}, {IP: ip("10.0.0.6"), Port: 8080, Forward: "masq", Weight: 1}},
		{proto: "TCP", ip: ip("10.96.0.1"), port: 443}:     nil,
		{proto: "UDP", ip: ip("2001:db8::a"), port: 53}:    {{IP: ip("2001:db8::5"), Port: 53, Forward: "route", Weight: 2}},
		{mark: 7}: {{IP: ip("10.0.0.8"), Forward: "local", Weight: 1}, {IP: ip("10.0.0.9"), Forward: "tunnel", Weight: 1}},
		// Mark 8 is of both families, and of 10.96.0.2 a line is not understood.
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(serviceName{}), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestListedServers: what the kernel lists is not asked for, and what it does not
// list is.
func TestListedServers(t *testing.T) {
	ip := netip.MustParseAddr
	web := entry{proto: unix.IPPROTO_TCP, ip: "192.168.10.114", port: 80, scheduler: "rr", servers: []dataplane.RealServer{{IP: ip("10.0.0.1"), Port: 1, Forward: "masq"}}}
	other := entry{proto: unix.IPPROTO_TCP, ip: "192.168.10.115", port: 80, scheduler: "rr", servers: []dataplane.RealServer{{IP: ip("10.0.0.2"), Port: 2, Forward: "masq"}}}
	everything := func() (listing, error) { return parseListing(context.Background(), strings.NewReader(listed)) }
	got, err := virtualServers(context.Background(), &director{lists: [][]entry{{web, other}}}, everything)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	if s := got[0].Servers; len(s) != 2 || s[0].IP != ip("10.0.0.5") {
		t.Errorf("192.168.10.114: %v", s)
	}
	if diff := cmp.Diff(other.servers, got[1].Servers, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("192.168.10.115 (-want +got):\n%s", diff)
	}
	asked := errors.New("asked")
	if _, err := virtualServers(context.Background(), &director{lists: [][]entry{{web}}, fail: asked}, everything); err != nil {
		t.Error(err)
	}
}

func FuzzListing(f *testing.F) {
	f.Add(listed)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseListing(t.Context(), strings.NewReader(text))
		if err != nil {
			return
		}
		for name, servers := range got {
			if name.mark == 0 && !name.ip.IsValid() && name.proto != "FWM" && name.proto != "" {
				t.Errorf("a service without an address: %+v", name)
			}
			for _, s := range servers {
				if !s.IP.IsValid() || s.Forward == "" {
					t.Errorf("%+v: %+v", name, s)
				}
			}
		}
	})
}
