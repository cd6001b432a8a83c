// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
	"whohas/snapshot"
)

// restless is a kernel whose answers are interrupted so often, and in which so
// many changes are announced.
type restless struct {
	interrupted map[string]int
	moves       int
	denied      string
	asked       map[string]int
}

func (k *restless) answer(what string) error {
	if k.asked == nil {
		k.asked = map[string]int{}
	}
	k.asked[what]++
	if k.denied == what {
		return unix.EPERM
	}
	if k.asked[what] <= k.interrupted[what] {
		return netlink.ErrDumpInterrupted
	}
	return nil
}

func (k *restless) LinkList() ([]netlink.Link, error) {
	return []netlink.Link{&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: 7, Name: "kube-ipvs0", NetNsID: -1}}}, k.answer(Links)
}

func (k *restless) Addresses(context.Context) ([][]byte, error) {
	var out [][]byte
	for _, link := range []byte{7, 8} {
		m := []byte{unix.AF_INET, 32, unix.IFA_F_PERMANENT, unix.RT_SCOPE_UNIVERSE, link, 0, 0, 0}
		out = append(out, append(m, nl.NewRtAttr(unix.IFA_LOCAL, []byte{192, 168, 10, 114}).Serialize()...))
	}
	return out, k.answer(Addresses)
}

func (k *restless) RouteListFilteredIter(family int, _ *netlink.Route, _ uint64, f func(netlink.Route) bool) error {
	if family == unix.AF_INET {
		f(netlink.Route{Table: 255, Type: unix.RTN_LOCAL, LinkIndex: 7, Dst: &net.IPNet{IP: net.IPv4(192, 168, 10, 114), Mask: net.CIDRMask(32, 32)}})
		return k.answer(Routes)
	}
	return nil
}

func (k *restless) NeighListExecute(netlink.Ndmsg) ([]netlink.Neigh, error) {
	return nil, k.answer(Neighbours)
}
func (k *restless) Rules(context.Context, int) ([][]byte, error) { return nil, k.answer(Rules) }

func (k *restless) Bound(ctx context.Context) error { return ctx.Err() }

func (k *restless) Moved() bool {
	k.moves--
	return k.moves >= 0
}

func routingOf(k rtnetlink) (*reading, map[string]snapshot.Coverage) {
	r := newReading(context.Background(), Options{Name: "n1"})
	r.routing(k)
	coverage := map[string]snapshot.Coverage{}
	for _, c := range r.coverage {
		coverage[c.Source[len("host n1 "):]] = c
	}
	return r, coverage
}

// TestInterrupted: what is interrupted is read again, and after six times kept as
// it is, and said to be partial.
func TestInterrupted(t *testing.T) {
	for _, name := range []string{Links, Addresses, Routes, Rules, Neighbours} {
		for times, want := range map[int]snapshot.Status{0: snapshot.StatusRead, 1: snapshot.StatusRead, 5: snapshot.StatusRead, 6: snapshot.StatusPartial, 100: snapshot.StatusPartial} {
			t.Run(fmt.Sprintf("%s %d", name, times), func(t *testing.T) {
				k := &restless{interrupted: map[string]int{name: times}}
				r, coverage := routingOf(k)
				c := coverage[name]
				if c.Status != want || c.Complete != (want == snapshot.StatusRead) || slices.Contains(r.host.Unread, name) != (want == snapshot.StatusPartial) {
					t.Errorf("%+v, unread %v", c, r.host.Unread)
				}
				if want == snapshot.StatusPartial && c.Detail != "changed while it was read" {
					t.Errorf("detail %q", c.Detail)
				}
				if len(r.host.Links) != 1 || len(r.host.Addresses) != 2 || len(r.host.Routes) != 1 {
					t.Errorf("what was read is lost: %+v", r.host)
				}
			})
		}
	}
}

// TestMoved: what is of one moment is read again as a whole.
func TestMoved(t *testing.T) {
	for _, tt := range []struct {
		moves, readings int
		status          snapshot.Status
	}{{0, 1, snapshot.StatusRead}, {1, 1, snapshot.StatusRead}, {2, 2, snapshot.StatusRead}, {9, 5, snapshot.StatusRead}, {100, 6, snapshot.StatusPartial}} {
		k := &restless{moves: tt.moves}
		r, coverage := routingOf(k)
		if k.asked[Links] != tt.readings || k.asked[Routes] != tt.readings {
			t.Errorf("%d changes: %d readings, want %d", tt.moves, k.asked[Links], tt.readings)
		}
		for _, name := range []string{Links, Addresses, Routes, Rules} {
			if coverage[name].Status != tt.status {
				t.Errorf("%d changes: %+v", tt.moves, coverage[name])
			}
		}
		if len(r.coverage) != 5 || len(r.host.Routes) != 1 || coverage[Neighbours].Status != snapshot.StatusRead {
			t.Errorf("%d changes: %+v", tt.moves, r.coverage)
		}
		if partial := tt.status == snapshot.StatusPartial; partial && len(r.host.Unread) != 4 || !partial && len(r.host.Unread) != 0 {
			t.Errorf("%d changes: unread %v", tt.moves, r.host.Unread)
		}
	}
}

func TestDenied(t *testing.T) {
	r, coverage := routingOf(&restless{denied: Links})
	if c := coverage[Links]; c.Status != snapshot.StatusDenied || c.Detail != "not permitted: needs root" || c.Complete {
		t.Errorf("%+v", c)
	}
	want := []dataplane.Address{{Link: "kube-ipvs0", Prefix: netip.MustParsePrefix("192.168.10.114/32"), Scope: "global"}, {Link: "if8", Prefix: netip.MustParsePrefix("192.168.10.114/32"), Scope: "global"}}
	slices.SortFunc(want, func(a, b dataplane.Address) int { return len(a.Link) - len(b.Link) })
	if diff := cmp.Diff(want, r.host.Addresses, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Errorf("the others are read all the same (-want +got):\n%s", diff)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h, coverage := Read(ctx, Options{Name: "N1 "})
	if h.Name != "n1" || len(h.Unread) != len(Sections()) || len(coverage) != len(Sections()) {
		t.Errorf("%q: %v, %v", h.Name, h.Unread, coverage)
	}
	for _, c := range coverage {
		if c.Status != snapshot.StatusUnreadable || c.Detail != "interrupted" {
			t.Errorf("%+v", c)
		}
	}
}

func TestPolicyOfStrangeBytes(t *testing.T) {
	if _, ok := policy([]byte{2, 0, 0}); ok {
		t.Error("a header that is cut off is no rule")
	}
	header := []byte{unix.AF_INET, 0, 0, 0, 254, 0, 0, unix.FR_ACT_NOP, 0, 0, 0, 0}
	p, ok := policy(append(header, 8, 0, 99, 0, 1, 2, 3, 4, 200, 0, 1))
	if !ok || p.Type != "nop" || p.Other != "attribute 99" {
		t.Errorf("%+v", p)
	}
	if _, ok := policy(append([]byte{128}, header[1:]...)); ok {
		t.Error("rules of multicast routing are not these")
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add([]byte{8, 0, 1, 0, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		for _, v := range attributes(data) {
			n += 4 + len(v)
			_, _, _ = number(v), netNumber(v), text(v)
		}
		if n > len(data) {
			t.Fatalf("%d bytes out of %d", n, len(data))
		}
		policy(data)
		service(data)
		destination(data, unix.AF_INET)
		setMember("hash:ip,port,net", data)
		sets([][]byte{data})
	})
}
