// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// station is a network namespace with a thread that stays in it.
type station struct {
	t    *testing.T
	ns   int
	work chan func()
}

// newStation makes one; what it is for is skipped, and said so, where that is not
// permitted.
func newStation(t *testing.T) *station {
	t.Helper()
	s := &station{t: t, work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			s.ns, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		ready <- err
		for f := range s.work {
			f()
		}
	}()
	err := <-ready
	t.Cleanup(func() {
		close(s.work)
		unix.Close(s.ns)
	})
	if errors.Is(err, unix.EPERM) {
		t.Skipf("SKIPPED: network namespaces need root: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.do(func(h *netlink.Handle) error { return up(h, "lo") })
	return s
}

// do calls f on the station's thread.
func (s *station) do(f func(*netlink.Handle) error) {
	s.t.Helper()
	done := make(chan error, 1)
	s.work <- func() {
		h, err := netlink.NewHandleAt(netns.NsHandle(s.ns), unix.NETLINK_ROUTE)
		if err == nil {
			defer h.Close()
			err = f(h)
		}
		done <- err
	}
	if err := <-done; err != nil {
		s.t.Fatal(err)
	}
}

func up(h *netlink.Handle, name string) error {
	l, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	return h.LinkSetUp(l)
}

func (s *station) address(device, prefix string) {
	s.t.Helper()
	s.do(func(h *netlink.Handle) error {
		l, err := h.LinkByName(device)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		return h.AddrAdd(l, a)
	})
}

func (s *station) sysctl(name, value string) {
	s.t.Helper()
	s.do(func(*netlink.Handle) error {
		return os.WriteFile("/proc/sys/net/"+strings.ReplaceAll(name, ".", "/"), []byte(value), 0o644)
	})
}

// ask asks from the station.
func (s *station) ask(ctx context.Context, targets ...Target) (echoes []dataplane.AddressReply, err error) {
	s.t.Helper()
	s.do(func(*netlink.Handle) error {
		echoes, err = Ask(ctx, targets)
		return nil
	})
	return echoes, err
}

// network is stations with a card eth0 each, of MAC 02:00:00:00:00:0N, on one
// bridge.
func network(t *testing.T, count int) []*station {
	t.Helper()
	middle := newStation(t)
	middle.do(func(h *netlink.Handle) error {
		if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs("br0")}); err != nil {
			return err
		}
		return up(h, "br0")
	})
	var out []*station
	for n := 1; n <= count; n++ {
		s := newStation(t)
		out = append(out, s)
		middle.do(func(h *netlink.Handle) error { return plug(h, s, n) })
	}
	for _, s := range out {
		s.do(func(h *netlink.Handle) error { return up(h, "eth0") })
	}
	for _, s := range append(out, middle) {
		s.settle()
	}
	return out
}

func attrs(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

// plug makes a veth from the bridge to a station.
func plug(h *netlink.Handle, s *station, n int) error {
	a := attrs(fmt.Sprintf("port%d", n))
	veth := &netlink.Veth{LinkAttrs: a, PeerName: "eth0", PeerNamespace: netlink.NsFd(s.ns), PeerHardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, byte(n)}}
	if err := h.LinkAdd(veth); err != nil {
		return err
	}
	bridge, err := h.LinkByName("br0")
	if err != nil {
		return err
	}
	if err := h.LinkSetMaster(veth, bridge); err != nil {
		return err
	}
	return h.LinkSetUp(veth)
}

// settle waits until the kernel has taken note of all carriers: until then a
// device drops what is sent (net/core/link_watch.c).
func (s *station) settle() {
	s.t.Helper()
	s.do(func(h *netlink.Handle) error {
		for range 1000 {
			links, err := h.LinkList()
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(links, func(l netlink.Link) bool {
				state := l.Attrs().OperState
				return l.Attrs().Flags&net.FlagUp != 0 && state != netlink.OperUp && state != netlink.OperUnknown
			}) {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		return errors.New("links do not come up")
	})
}

func target(link, ip string) Target { return Target{link, netip.MustParseAddr(ip)} }

// lines are Echoes as text.
func lines(echoes []dataplane.AddressReply) []string {
	out := []string{}
	for _, e := range echoes {
		out = append(out, fmt.Sprintf("%s %s sent %d: %s", e.Link, e.IP, e.Sent, strings.Join(e.MACs, " ")))
	}
	return out
}

func same(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func failures(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

// TestAskLeavesNeighbours: somebody else answers for an address whose owner is known:
// where this host sends what is for the owner does not change.
func TestAskLeavesNeighbours(t *testing.T) {
	all := network(t, 3)
	asker, owner, thief := all[0], all[1], all[2]
	asker.address("eth0", "192.0.2.1/24")
	owner.address("eth0", "192.0.2.2/24")
	owner.sysctl("ipv4.conf.all.arp_ignore", "8") // it is slow to answer, say
	thief.address("eth0", "192.0.2.3/24")
	thief.address("lo", "192.0.2.2/32")
	neighbour := func() (mac string) {
		asker.do(func(h *netlink.Handle) error {
			l, err := h.LinkByName("eth0")
			if err != nil {
				return err
			}
			list, err := h.NeighList(l.Attrs().Index, unix.AF_INET)
			for _, n := range list {
				if n.IP.String() == "192.0.2.2" {
					mac = n.HardwareAddr.String()
				}
			}
			return err
		})
		return mac
	}
	asker.do(func(h *netlink.Handle) error {
		l, err := h.LinkByName("eth0")
		if err != nil {
			return err
		}
		return h.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, Family: unix.AF_INET, State: unix.NUD_STALE,
			IP: net.IPv4(192, 0, 2, 2), HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 2}})
	})
	time.Sleep(1200 * time.Millisecond) // locktime: a fresh entry is not overridden
	got, err := asker.ask(t.Context(), target("eth0", "192.0.2.2"))
	same(t, "errors", nil, failures(err))
	same(t, "echoes", []string{"eth0 192.0.2.2 sent 2: 02:00:00:00:00:03"}, lines(got))
	if mac := neighbour(); mac != "02:00:00:00:00:02" {
		t.Errorf("the neighbour is %s now", mac)
	}
}

// TestAskKernels: who holds what answers, as Linux does it.
func TestAskKernels(t *testing.T) {
	all := network(t, 4)
	asker, a, b, c := all[0], all[1], all[2], all[3]
	asker.address("eth0", "192.0.2.1/24")
	a.address("eth0", "192.0.2.2/24")
	b.address("eth0", "192.0.2.3/24")
	c.address("eth0", "192.0.2.4/24")
	a.address("eth0", "192.0.2.20/24") // held twice
	b.address("eth0", "192.0.2.20/24")
	b.address("lo", "192.0.2.30/32") // as a Service's is on kube-ipvs0
	c.address("lo", "192.0.2.40/32")
	c.sysctl("ipv4.conf.all.arp_ignore", "1")
	a.address("eth0", "2001:db8::2/64")
	a.address("eth0", "2001:db8::20/64")
	b.address("eth0", "2001:db8::20/64")
	b.address("lo", "2001:db8::30/128")
	c.address("eth0", "198.51.100.1/24") // a proxy does not answer a probe
	c.sysctl("ipv4.conf.eth0.proxy_arp", "1")
	c.sysctl("ipv4.conf.all.forwarding", "1")

	targets := []Target{
		target("eth0", "2001:db8::30"), target("eth0", "2001:db8::20"), target("eth0", "2001:db8::2"), target("eth0", "2001:db8::99"),
		target("eth0", "192.0.2.40"), target("eth0", "192.0.2.30"), target("eth0", "192.0.2.20"), target("eth0", "192.0.2.4"),
		target("eth0", "192.0.2.99"), target("eth0", "192.0.2.2"), target("eth0", "192.0.2.2"), target("eth0", "192.0.2.1"),
		target("eth0", "198.51.100.7"),
	}
	got, err := asker.ask(t.Context(), targets...)
	same(t, "errors", nil, failures(err))
	want := []string{
		"eth0 192.0.2.1 sent 2: ", // the asker's own
		"eth0 192.0.2.2 sent 2: 02:00:00:00:00:02",
		"eth0 192.0.2.4 sent 2: 02:00:00:00:00:04",
		"eth0 192.0.2.20 sent 2: 02:00:00:00:00:02 02:00:00:00:00:03",
		"eth0 192.0.2.30 sent 2: 02:00:00:00:00:03",
		"eth0 192.0.2.40 sent 2: ",
		"eth0 192.0.2.99 sent 2: ",
		"eth0 198.51.100.7 sent 2: ",
		"eth0 2001:db8::2 sent 2: 02:00:00:00:00:02",
		"eth0 2001:db8::20 sent 2: 02:00:00:00:00:02 02:00:00:00:00:03",
		"eth0 2001:db8::30 sent 2: ", // another device's: Linux answers for IPv4 only
		"eth0 2001:db8::99 sent 2: ",
	}
	same(t, "echoes", want, lines(got))

	// The other way round: strictARP is what decides.
	b.sysctl("ipv4.conf.all.arp_ignore", "1")
	c.sysctl("ipv4.conf.all.arp_ignore", "0")
	got, err = asker.ask(t.Context(), target("eth0", "192.0.2.30"), target("eth0", "192.0.2.40"))
	same(t, "errors", nil, failures(err))
	same(t, "echoes", []string{"eth0 192.0.2.30 sent 2: ", "eth0 192.0.2.40 sent 2: 02:00:00:00:00:04"}, lines(got))
	neighbours := 0
	a.do(func(h *netlink.Handle) error {
		list, err := h.NeighList(0, unix.AF_INET)
		neighbours = len(list)
		return err
	})
	if neighbours != 0 {
		t.Errorf("who was asked has learnt %d neighbours", neighbours)
	}
}

// TestAskLinks: what cannot be asked is an error that names it, and does not stop
// the others.
func TestAskLinks(t *testing.T) {
	all := network(t, 2)
	asker, a := all[0], all[1]
	a.address("eth0", "192.0.2.2/24")
	asker.do(func(h *netlink.Handle) error {
		for _, pair := range [][2]string{{"down", "down-peer"}, {"dark", "dark-peer"}, {"port", "port-peer"}, {"quiet", "quiet-peer"}} {
			if err := h.LinkAdd(&netlink.Veth{LinkAttrs: attrs(pair[0]), PeerName: pair[1]}); err != nil {
				return err
			}
		}
		bridge := &netlink.Bridge{LinkAttrs: attrs("br0")}
		if err := h.LinkAdd(bridge); err != nil {
			return err
		}
		port, err := h.LinkByName("port")
		if err != nil {
			return err
		}
		quiet, err := h.LinkByName("quiet")
		if err != nil {
			return err
		}
		return errors.Join(h.LinkSetMaster(port, bridge), h.LinkSetARPOff(quiet), up(h, "port"), up(h, "port-peer"), up(h, "br0"),
			up(h, "quiet"), up(h, "quiet-peer"), up(h, "dark"))
	})
	got, err := asker.ask(t.Context(),
		target("down", "192.0.2.2"), target("dark", "192.0.2.2"), target("port", "192.0.2.2"), target("quiet", "192.0.2.2"),
		target("lo", "192.0.2.2"), target("none", "192.0.2.2"), target("", "2001:db8::2"), target("eth0", "192.0.2.2"), target("eth0", "127.0.0.1"))
	same(t, "echoes", []string{"eth0 192.0.2.2 sent 2: 02:00:00:00:00:02"}, lines(got))
	same(t, "errors", []string{
		"ask eth0 for 127.0.0.1: no host's address on a link",
		"ask dark for 192.0.2.2: the link has no carrier",
		"ask down for 192.0.2.2: the link is down",
		"ask lo for 192.0.2.2: not an Ethernet link",
		"ask none for 192.0.2.2: there is no such link",
		"ask port for 192.0.2.2: the link is part of a bridge: ask that",
		"ask quiet for 192.0.2.2: the link resolves no addresses (NOARP)",
		"ask no link for 2001:db8::2: there is no such link",
	}, failures(err))
	var one *TargetError
	if !errors.As(err, &one) || one.Target != target("eth0", "127.0.0.1") {
		t.Errorf("the first error is of %+v", one)
	}
}

// forge answers each probe that arrives at a station's card with frames, until the
// test ends.
func forge(s *station, frames ...forged) {
	s.t.Helper()
	s.do(func(*netlink.Handle) error {
		card, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		ear, err := packet.Listen(card, packet.Datagram, unix.ETH_P_ARP, nil)
		if err != nil {
			return err
		}
		mouth, err := packet.Listen(card, packet.Raw, unix.ETH_P_ALL, nil)
		if err != nil {
			ear.Close()
			return err
		}
		s.t.Cleanup(func() { ear.Close(); mouth.Close() })
		go func() {
			for {
				if _, _, err := ear.ReadFrom(make([]byte, 64)); err != nil {
					return
				}
				for _, f := range frames {
					_, _ = mouth.WriteTo(f.bytes(), &packet.Addr{HardwareAddr: f.to[:]})
				}
			}
		}()
		return nil
	})
}

// forged is a frame that somebody sends.
type forged struct {
	to, from mac
	vlan     uint16
	protocol uint16
	payload  []byte
}

func (f forged) bytes() []byte {
	b := slices.Concat(f.to[:], f.from[:])
	if f.vlan != 0 {
		b = binary.BigEndian.AppendUint16(b, unix.ETH_P_8021Q)
		b = binary.BigEndian.AppendUint16(b, f.vlan)
	}
	b = binary.BigEndian.AppendUint16(b, f.protocol)
	b = append(b, f.payload...)
	return append(b, make([]byte, max(0, 60-len(b)))...)
}

// TestAskForged: what is no answer is not counted, and no flood of answers grows.
func TestAskForged(t *testing.T) {
	all := network(t, 2)
	asker, b := all[0], all[1]
	one, two, three, four, five := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("192.0.2.4"), netip.MustParseAddr("192.0.2.5")
	six := netip.MustParseAddr("2001:db8::1")
	zero := netip.IPv4Unspecified()
	arp := func(to mac, p arpPacket) forged {
		return forged{to: to, from: mac{2, 0, 0, 0, 0, 2}, protocol: unix.ETH_P_ARP, payload: p.encode()}
	}
	stray := arp(me, reply(mac{2, 0, 0, 0, 9, 1}, one))
	stray.vlan = 7
	above := mac{2, 0, 0, 0, 0, 0x88} // of a device above eth0: a socket on eth0 is shown what that receives, too
	asker.do(func(h *netlink.Handle) error {
		card, err := h.LinkByName("eth0")
		if err != nil {
			return err
		}
		child := &netlink.Macvlan{LinkAttrs: attrs("above"), Mode: netlink.MACVLAN_MODE_BRIDGE}
		child.ParentIndex, child.HardwareAddr = card.Attrs().Index, above[:]
		if err := h.LinkAdd(child); err != nil {
			t.Logf("NOT RUN: no macvlan in this kernel: %v", err)
			return nil
		}
		return up(h, "above")
	})
	short := arp(me, reply(mac{2, 0, 0, 0, 9, 2}, one))
	short.payload = changed(short.payload, 4, 7)
	bare := forged{to: allNodes, from: mac{2, 0, 0, 0, 9, 9}, protocol: unix.ETH_P_IPV6, payload: advertiseWith(0, six, netip.MustParseAddr("ff02::1"), nil)}
	spoilt := bare
	spoilt.from, spoilt.payload = mac{2, 0, 0, 0, 9, 8}, changed(bare.payload, 42, bare.payload[42]^1)
	frames := []forged{
		stray, short,
		arp(above, reply(mac{2, 0, 0, 0, 9, 6}, one)),
		arp(mac{2, 0, 0, 0, 0, 0x77}, reply(mac{2, 0, 0, 0, 9, 3}, one)), // for another station
		arp(me, reply(me, one)),                                          // the asker's own MAC
		arp(broadcast, arpPacket{op: arpRequest, sender: mac{2, 0, 0, 0, 9, 4}, senderIP: zero, targetIP: one}),            // another's probe
		arp(me, reply(mac{2, 0, 0, 0, 9, 5}, netip.MustParseAddr("203.0.113.9"))),                                          // for what nobody asked
		arp(broadcast, arpPacket{op: arpRequest, sender: mac{0xa, 0xb, 0xc, 0xd, 0xe, 0xf}, senderIP: two, targetIP: two}), // an announcement
		arp(me, reply(mac{3, 0xbf, 0, 0, 0, 1}, three)),                                                                    // a group's, as some clusters answer
		bare, spoilt,
		arp(me, reply(mac{2, 0, 0, 0, 0, 5}, five)),
		arp(me, reply(mac{2, 0, 0, 0, 0, 4}, five)),
	}
	for i := range byte(100) {
		frames = append(frames, arp(me, reply(mac{2, 0, 0, 1, 0, i}, four)))
	}
	forge(b, frames...)
	got, err := asker.ask(t.Context(), Target{"eth0", one}, Target{"eth0", two}, Target{"eth0", three}, Target{"eth0", four}, Target{"eth0", five}, Target{"eth0", six})
	same(t, "errors", nil, failures(err))
	if len(got) != 6 {
		t.Fatalf("echoes: %v", lines(got))
	}
	if n := len(got[3].MACs); n != mostMACs {
		t.Errorf("%d MACs are kept of 100: want %d", n, mostMACs)
	}
	same(t, "echoes", []string{
		"eth0 192.0.2.1 sent 2: ",
		"eth0 192.0.2.2 sent 2: 0a:0b:0c:0d:0e:0f",
		"eth0 192.0.2.3 sent 2: 03:bf:00:00:00:01",
		"eth0 192.0.2.5 sent 2: 02:00:00:00:00:04 02:00:00:00:00:05",
		"eth0 2001:db8::1 sent 2: 02:00:00:00:09:09",
	}, lines(slices.Delete(slices.Clone(got), 3, 4)))
}

// TestAskBridge: a bridge is asked like a card; its ports' MACs are the host's own.
func TestAskBridge(t *testing.T) {
	all := network(t, 2)
	asker, b := all[0], all[1]
	asker.do(func(h *netlink.Handle) error {
		bridge := &netlink.Bridge{LinkAttrs: attrs("br0")}
		bridge.HardwareAddr = net.HardwareAddr{2, 0, 0, 0, 0, 0xb}
		if err := h.LinkAdd(bridge); err != nil {
			return err
		}
		card, err := h.LinkByName("eth0")
		if err != nil {
			return err
		}
		return errors.Join(h.LinkSetMaster(card, bridge), up(h, "br0"))
	})
	asker.settle()
	bridged := mac{2, 0, 0, 0, 0, 0xb}
	ip := netip.MustParseAddr("192.0.2.2")
	forge(b, forged{to: bridged, from: other, protocol: unix.ETH_P_ARP, payload: reply(me, ip).encode()},
		forged{to: bridged, from: other, protocol: unix.ETH_P_ARP, payload: reply(bridged, ip).encode()},
		forged{to: bridged, from: other, protocol: unix.ETH_P_ARP, payload: reply(other, ip).encode()})
	got, err := asker.ask(t.Context(), Target{"br0", ip})
	same(t, "errors", nil, failures(err))
	same(t, "echoes", []string{"br0 192.0.2.2 sent 2: 02:00:00:00:00:09"}, lines(got))
}

// TestResult: an answer counts whatever happened; silence only for the whole time.
func TestResult(t *testing.T) {
	ip := netip.MustParseAddr("192.0.2.2")
	refused, ended := errors.New("refused"), errors.New("ended")
	for name, c := range map[string]struct {
		sent         int
		failed, deaf error
		heard        map[mac]bool
		want         string
	}{
		"answered":                        {2, nil, nil, map[mac]bool{other: true}, "eth0 192.0.2.2 sent 2: 02:00:00:00:00:09"},
		"silent":                          {2, nil, nil, nil, "eth0 192.0.2.2 sent 2: "},
		"silent, one probe failed":        {1, refused, nil, nil, "eth0 192.0.2.2 sent 1: "},
		"answered before it ended":        {1, nil, ended, map[mac]bool{other: true}, "eth0 192.0.2.2 sent 1: 02:00:00:00:00:09"},
		"silent until it ended":           {2, refused, ended, nil, "ask eth0 for 192.0.2.2: no answer before it was cut short: ended"},
		"all probes failed":               {0, refused, nil, nil, "ask eth0 for 192.0.2.2: no probe was sent: refused"},
		"ended before":                    {0, nil, ended, nil, "ask eth0 for 192.0.2.2: no probe was sent: ended"},
		"heard, though no probe was sent": {0, refused, ended, map[mac]bool{other: true}, "ask eth0 for 192.0.2.2: no probe was sent: refused"},
	} {
		w := wire{link: link{name: "eth0"}, ips: []netip.Addr{ip}, sent: map[netip.Addr]int{ip: c.sent},
			failed: map[netip.Addr]error{ip: c.failed}, deaf: c.deaf, heard: map[netip.Addr]map[mac]bool{ip: c.heard}}
		echoes, failed := w.result()
		same(t, name, []string{c.want}, append(lines(echoes), failures(join(failed))...))
	}
}

// TestAskCutShort: nobody is said to be silent who was not listened for.
func TestAskCutShort(t *testing.T) {
	all := network(t, 2)
	asker, a := all[0], all[1]
	a.address("eth0", "192.0.2.2/24")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := asker.ask(ended, target("eth0", "192.0.2.2"))
	same(t, "echoes of an ended context", []string{}, lines(got))
	same(t, "errors of an ended context", []string{"ask eth0 for 192.0.2.2: no probe was sent: context canceled"}, failures(err))

	ctx, stop := context.WithCancel(t.Context())
	probe := onProbe(a, stop)
	got, err = asker.ask(ctx, target("eth0", "192.0.2.99"))
	same(t, "echoes", []string{}, lines(got))
	same(t, "errors", []string{"ask eth0 for 192.0.2.99: no answer before it was cut short: context canceled"}, failures(err))
	want := arpProbe(me, netip.MustParseAddr("192.0.2.99"))
	if sent := <-probe; !bytes.HasPrefix(sent, want) {
		t.Errorf("sent %x, want %x", sent, want)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not the context's error", err)
	}
}

// TestAskLinkLost: a link that goes down meanwhile is not silence.
func TestAskLinkLost(t *testing.T) {
	all := network(t, 2)
	asker, a := all[0], all[1]
	lost := onProbe(a, func() {
		h, err := netlink.NewHandleAt(netns.NsHandle(asker.ns), unix.NETLINK_ROUTE)
		if err != nil {
			t.Error(err)
			return
		}
		defer h.Close()
		if card, err := h.LinkByName("eth0"); err != nil || h.LinkSetDown(card) != nil {
			t.Errorf("eth0 does not go down: %v", err)
		}
	})
	got, err := asker.ask(t.Context(), target("eth0", "192.0.2.99"))
	<-lost
	if !errors.Is(err, unix.ENETDOWN) || len(got) != 0 {
		t.Errorf("%v, %v", lines(got), err)
	}
}

// onProbe calls f when a probe has arrived at a station's card, and then gives it.
func onProbe(s *station, f func()) <-chan []byte {
	s.t.Helper()
	out := make(chan []byte, 1)
	s.do(func(*netlink.Handle) error {
		card, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		ear, err := packet.Listen(card, packet.Datagram, unix.ETH_P_ARP, nil)
		if err != nil {
			return err
		}
		s.t.Cleanup(func() { ear.Close() })
		go func() {
			b := make([]byte, 64)
			n, _, _ := ear.ReadFrom(b)
			f()
			out <- b[:n]
		}()
		return nil
	})
	return out
}

// TestAskMost: too many targets are refused as a whole; as many as are allowed fit
// into the filter.
func TestAskMost(t *testing.T) {
	all := network(t, 2)
	asker, a := all[0], all[1]
	var four, six []Target
	for n := range Most {
		ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(n + 1)})
		four = append(four, Target{"eth0", ip})
		six = append(six, target("eth0", fmt.Sprintf("2001:db8::%x", n+1)))
		a.address("eth0", ip.String()+"/24")
		a.address("eth0", six[n].IP.String()+"/64")
	}
	if got, err := asker.ask(t.Context(), append(four, six[0])...); err == nil || len(got) != 0 {
		t.Errorf("%d targets: %v, %v", Most+1, lines(got), err)
	}
	for _, targets := range [][]Target{four, six} {
		got, err := asker.ask(t.Context(), targets...)
		same(t, "errors", nil, failures(err))
		if len(got) != Most || slices.ContainsFunc(got, func(e dataplane.AddressReply) bool { return len(e.MACs) != 1 }) {
			t.Errorf("of %d: %v", Most, lines(got))
		}
	}
	if got, err := asker.ask(t.Context()); len(got) != 0 || err != nil {
		t.Errorf("no targets: %v, %v", lines(got), err)
	}
}

func FuzzLink(f *testing.F) {
	dump, err := readLinks()
	if err != nil || dump["lo"].index == 0 {
		f.Fatalf("links: %v, %v", dump, err)
	}
	f.Add(make([]byte, 16))
	f.Add(slices.Concat(make([]byte, 16), []byte{7, 0, 3, 0, 'l', 'o', 0, 0}, []byte{10, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 0},
		[]byte{8, 0, 10, 0, 3, 0, 0, 0}, []byte{12, 0, 18, 128, 8, 0, 4, 0, 'v', 'r', 'f', 0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, ok := linkOf(b)
		if ok == (l.name == "") || strings.Contains(l.name, "\x00") || len(b) < len(l.name)+len(l.slave) {
			t.Errorf("%x is read as %+v, %v", b, l, ok)
		}
		_ = l.usable()
	})
}

func TestLinkOf(t *testing.T) {
	head := make([]byte, 16)
	binary.NativeEndian.PutUint16(head[2:], 1)
	binary.NativeEndian.PutUint32(head[4:], 7)
	attr := func(kind uint16, body ...byte) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(len(body)+4))
		b = append(binary.NativeEndian.AppendUint16(b, kind), body...)
		return append(b, make([]byte, (4-len(b)%4)%4)...)
	}
	master := binary.NativeEndian.AppendUint32(nil, 3)
	whole := slices.Concat(head, attr(3, []byte("eth0\x00")...), attr(1, me[:]...), attr(10, master...), attr(18|1<<15, attr(4, []byte("vrf\x00")...)...))
	for name, c := range map[string]struct {
		body []byte
		want link
	}{
		"a VRF's":             {whole, link{index: 7, name: "eth0", kind: 1, mac: me, master: 3, slave: "vrf"}},
		"a tunnel's":          {slices.Concat(head, attr(3, []byte("t\x00")...), attr(1, 10, 0, 0, 1)), link{index: 7, name: "t", kind: 1}},
		"cut in an attribute": {whole[:len(head)+8], link{index: 7, kind: 1}},
		"cut behind the name": {whole[:len(head)+12+6], link{index: 7, kind: 1, name: "eth0"}},
		"no length":           {slices.Concat(head, []byte{0, 0, 3, 0, 'x', 0, 0, 0}), link{index: 7, kind: 1}},
		"cut in the head":     {head[:15], link{}},
	} {
		got, ok := linkOf(c.body)
		if got != c.want || ok != (c.want.name != "") {
			t.Errorf("%s: %+v, %v; want %+v", name, got, ok, c.want)
		}
	}
}
