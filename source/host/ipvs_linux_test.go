// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// director is a kernel with IPVS services, in the bytes that Linux 6.1 sends.
type director struct {
	lists [][]entry // of services, one for each time that it is asked; the last for ever
	asked int
	fail  error // of destinations
}

type entry struct {
	proto, port uint16
	ip          string
	mark        uint32
	scheduler   string
	flags       uint32
	timeout     uint32
	servers     []dataplane.RealServer
}

const testFamily = 31

func (d *director) command(_ context.Context, kind int, command uint8, _ bool, attributes ...*nl.RtAttr) ([][]byte, error) {
	switch {
	case kind == genlCtrl:
		return [][]byte{message(nl.NewRtAttr(ctrlFamilyName, nl.ZeroTerminated("IPVS")), nl.NewRtAttr(ctrlFamilyID, nl.Uint16Attr(testFamily)))}, nil
	case kind != testFamily:
		return nil, unix.ENOENT
	case command == ipvsGetService:
		list := d.lists[min(d.asked, len(d.lists)-1)]
		d.asked++
		var out [][]byte
		for _, e := range list {
			out = append(out, message(e.attribute()))
		}
		return out, nil
	}
	return d.destinations(service(attributes[0].Serialize()[4:]))
}

func (d *director) destinations(of virtual) ([][]byte, error) {
	if d.fail != nil {
		return nil, d.fail
	}
	var out [][]byte
	for _, e := range d.lists[len(d.lists)-1] {
		if s := service(e.attribute().Serialize()[4:]); s.IP != of.IP || s.Port != of.Port || s.Proto != of.Proto || s.Mark != of.Mark {
			continue
		}
		for _, r := range e.servers {
			a := nl.NewRtAttr(ipvsAttrDest|unix.NLA_F_NESTED, nil)
			a.AddRtAttr(dstAddr, room(r.IP))
			a.AddRtAttr(dstPort, binary.BigEndian.AppendUint16(nil, r.Port))
			a.AddRtAttr(dstForward, nl.Uint32Attr(map[string]uint32{"masq": 0x100, "local": 1, "tunnel": 2, "route": 3}[r.Forward]))
			a.AddRtAttr(dstWeight, nl.Uint32Attr(uint32(r.Weight)))
			if r.IP.Is6() {
				a.AddRtAttr(dstAF, nl.Uint16Attr(unix.AF_INET6))
			}
			out = append(out, message(a))
		}
	}
	return out, nil
}

func message(attributes ...*nl.RtAttr) []byte {
	out := []byte{1, 1, 0, 0}
	for _, a := range attributes {
		out = append(out, a.Serialize()...)
	}
	return out
}

// room is an address in the field for the longest.
func room(ip netip.Addr) []byte {
	out := make([]byte, 16)
	copy(out, ip.AsSlice())
	return out
}

func (e entry) attribute() *nl.RtAttr {
	a := nl.NewRtAttr(ipvsAttrService|unix.NLA_F_NESTED, nil)
	ip, _ := netip.ParseAddr(e.ip)
	family := uint16(unix.AF_INET)
	if ip.Is6() {
		family = unix.AF_INET6
	}
	a.AddRtAttr(svcAF, nl.Uint16Attr(family))
	if e.mark != 0 {
		a.AddRtAttr(svcFWMark, nl.Uint32Attr(e.mark))
	} else {
		a.AddRtAttr(svcProtocol, nl.Uint16Attr(e.proto))
		a.AddRtAttr(svcAddr, room(ip))
		a.AddRtAttr(svcPort, binary.BigEndian.AppendUint16(nil, e.port))
	}
	a.AddRtAttr(svcScheduler, nl.ZeroTerminated(e.scheduler))
	a.AddRtAttr(svcFlags, append(nl.Uint32Attr(e.flags|flagHashed), 0xff, 0xff, 0xff, 0xff))
	a.AddRtAttr(svcTimeout, nl.Uint32Attr(e.timeout))
	return a
}

// unlisted is a kernel that does not show its services as text.
func unlisted() (listing, error) { return nil, os.ErrNotExist }

func TestVirtualServers(t *testing.T) {
	ip := netip.MustParseAddr
	tomcat := entry{proto: unix.IPPROTO_TCP, ip: "192.168.10.114", port: 80, scheduler: "rr", flags: flagPersistent, timeout: 10800, servers: []dataplane.RealServer{
		{IP: ip("10.0.0.6"), Port: 8080, Forward: "masq", Weight: 1}, {IP: ip("10.0.0.5"), Port: 8080, Forward: "masq"}}}
	dns := entry{proto: unix.IPPROTO_UDP, ip: "2001:db8::a", port: 53, scheduler: "mh", flags: 0x10, timeout: 360, servers: []dataplane.RealServer{{IP: ip("2001:db8::5"), Port: 53, Forward: "route", Weight: 2}}}
	marked := entry{mark: 7, scheduler: "wlc", servers: []dataplane.RealServer{{IP: ip("10.0.0.9"), Forward: "tunnel", Weight: 1}, {IP: ip("10.0.0.8"), Forward: "local", Weight: 1}}}
	want := []dataplane.VirtualServer{
		{Mark: 7, Scheduler: "wlc", Servers: []dataplane.RealServer{{IP: ip("10.0.0.8"), Forward: "local", Weight: 1}, {IP: ip("10.0.0.9"), Forward: "tunnel", Weight: 1}}},
		{Proto: "TCP", IP: ip("192.168.10.114"), Port: 80, Scheduler: "rr", Flags: 1, Persistent: 10800, Servers: []dataplane.RealServer{
			{IP: ip("10.0.0.5"), Port: 8080, Forward: "masq"}, {IP: ip("10.0.0.6"), Port: 8080, Forward: "masq", Weight: 1}}},
		{Proto: "UDP", IP: ip("2001:db8::a"), Port: 53, Scheduler: "mh", Flags: 0x10, Servers: []dataplane.RealServer{{IP: ip("2001:db8::5"), Port: 53, Forward: "route", Weight: 2}}},
	}
	all := []entry{tomcat, dns, marked}
	for _, tt := range []struct {
		name  string
		lists [][]entry
		err   error
	}{
		{"still", [][]entry{all}, nil},
		{"one came while it was read", [][]entry{{tomcat}, all}, nil},
		{"one went and came", [][]entry{all, {dns}, {tomcat}, all}, nil},
		{"never still", [][]entry{all, {dns}, all, {dns}, all, {dns}, all, {dns}, all, {dns}, all, {dns}, all}, changed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := virtualServers(context.Background(), &director{lists: tt.lists}, unlisted)
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := virtualServers(context.Background(), &director{lists: [][]entry{all}, fail: unix.EPERM}, unlisted); !errors.Is(err, unix.EPERM) {
		t.Errorf("error %v", err)
	}
}

// TestNoIPVS: where there is no ip_vs nothing is asked, so that nothing is loaded.
func TestNoIPVS(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "proc/modules", "nf_tables 1 0 - Live 0x0\n")
	write(t, dir, "modules.builtin", "kernel/net/ipv4/ipip.ko\n")
	got, err := readIPVS(context.Background(), kernel{proc: filepath.Join(dir, "proc"), sys: filepath.Join(dir, "sys"), modules: dir})
	if !errors.As(err, new(absent)) || got != nil {
		t.Errorf("%v, %v", got, err)
	}
}
