// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"whohas/dataplane"
	"whohas/snapshot"
)

var prefixes = cmp.Options{exported, cmpopts.EquateComparable(netip.Prefix{})}

func host(name string, unread ...string) dataplane.Host {
	return dataplane.Host{Name: name, Unread: unread,
		Addresses: []dataplane.Address{
			{Link: "eth0", Prefix: netip.MustParsePrefix("192.168.10.115/24")},
			{Link: "kube-ipvs0", Prefix: netip.MustParsePrefix("192.168.10.114/32")},
		},
		Routes: []dataplane.Route{
			{Table: dataplane.TableLocal, Type: "local", To: netip.MustParsePrefix("192.168.10.114/32"), Link: "kube-ipvs0"},
			{Table: dataplane.TableLocal, Type: "local", To: netip.MustParsePrefix("192.168.10.115/32"), Link: "eth0"},
			{Table: dataplane.TableLocal, Type: "local", To: netip.MustParsePrefix("192.168.10.9/32"), Link: "lo"},
		}}
}

func hosts(list ...dataplane.Host) *snapshot.Snapshot {
	var b snapshot.Builder
	for _, h := range list {
		b.AddHost(h)
	}
	return b.Snapshot()
}

// TestHostReadTwice: of two readings that differ the fuller one is kept, in
// whatever order they came, and that is told; the same twice is one.
func TestHostReadTwice(t *testing.T) {
	full, poor, other := host("b"), host("b", "ipvs"), host("b", "ipvs")
	other.Kernel = "6.1"
	told := []snapshot.Coverage{{Source: "host b", Status: snapshot.StatusPartial, Detail: "read twice, and the readings differ; only the fuller one is used"}}
	for name, tt := range map[string]struct {
		list []dataplane.Host
		want []snapshot.Coverage
	}{
		"once":           {[]dataplane.Host{full, host("a")}, nil},
		"the same twice": {[]dataplane.Host{full, full, host("a")}, nil},
		"poorer behind":  {[]dataplane.Host{full, poor, host("a")}, told},
		"poorer before":  {[]dataplane.Host{poor, other, full, host("a")}, told},
	} {
		t.Run(name, func(t *testing.T) {
			s := hosts(tt.list...)
			if diff := cmp.Diff([]dataplane.Host{host("a"), full}, s.Hosts, prefixes); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, s.Coverage, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("coverage (-want +got):\n%s", diff)
			}
			if s.Count() != 2 || s.Host("b") == nil || s.Host("b").Name != "b" || s.Host("c") != nil {
				t.Errorf("Count %d, Host %v", s.Count(), s.Host("b"))
			}
		})
	}
}

// TestHostOver: a later reading takes the earlier one's place, and nothing is told.
func TestHostOver(t *testing.T) {
	later := host("a")
	later.Kernel = "6.1"
	s := snapshot.Over(hosts(host("a"), host("b")), hosts(later))
	if diff := cmp.Diff([]dataplane.Host{later, host("b")}, s.Hosts, prefixes); diff != "" || len(s.Coverage) > 0 {
		t.Errorf("%v (-want +got):\n%s", s.Coverage, diff)
	}
}

func TestHostEdit(t *testing.T) {
	ip := netip.MustParsePrefix("192.168.10.114/32")
	for _, tt := range []struct {
		edit             snapshot.HostEdit
		command, failure string
		addresses        int
		routes           int
	}{
		{snapshot.HostEdit{Host: "a", Link: "kube-ipvs0", Prefix: ip}, "ip addr del 192.168.10.114/32 dev kube-ipvs0", "", 1, 2},
		{snapshot.HostEdit{Host: "a", Link: "lo", Prefix: netip.MustParsePrefix("192.168.10.9/32"), Table: 255}, "ip route del local 192.168.10.9/32 dev lo table 255", "", 2, 2},
		{snapshot.HostEdit{Host: "a", Prefix: ip, Table: 100}, "ip route del local 192.168.10.114/32 table 100", "no local route", 0, 0},
		{snapshot.HostEdit{Host: "a", Link: "it's", Prefix: ip}, `ip addr del 192.168.10.114/32 dev 'it'\''s'`, "is not on it's", 0, 0},
		{snapshot.HostEdit{Host: "b", Link: "kube-ipvs0", Prefix: ip}, "ip addr del 192.168.10.114/32 dev kube-ipvs0", "no such host", 0, 0},
	} {
		e := snapshot.Edit{Host: &tt.edit}
		if got := e.Command().String(); got != tt.command {
			t.Errorf("command %q, want %q", got, tt.command)
		}
		before := hosts(host("a"))
		after, err := before.Apply(e)
		if diff := cmp.Diff(hosts(host("a")), before, prefixes); diff != "" {
			t.Errorf("%s: the snapshot before was changed:\n%s", tt.command, diff)
		}
		if err != nil || tt.failure != "" {
			if err == nil || tt.failure == "" || !strings.Contains(err.Error(), tt.failure) {
				t.Errorf("%s: %v, want %q", tt.command, err, tt.failure)
			}
			continue
		}
		if h := after.Host("a"); len(h.Addresses) != tt.addresses || len(h.Routes) != tt.routes {
			t.Errorf("%s leaves %+v", tt.command, h)
		}
	}
}

// TestHostByName: a host is found by its name, however much of another was read.
func TestHostByName(t *testing.T) {
	var b snapshot.Builder
	b.AddHost(dataplane.Host{Name: "b"})
	b.AddHost(dataplane.Host{Name: "c", Unread: []string{"ipvs"}})
	b.AddHost(dataplane.Host{Name: "a", Unread: []string{"ipvs", "ipset"}})
	s := b.Snapshot()
	for _, name := range []string{"a", "b", "c"} {
		if h := s.Host(name); h == nil || h.Name != name {
			t.Errorf("host %s: got %v", name, h)
		}
	}
	if h := s.Host("d"); h != nil {
		t.Errorf("host d: got %v", h)
	}
}
