// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// The commands, attributes and flags of IPVS (linux include/uapi/linux/ip_vs.h). Its
// usual library is not used: it runs modprobe before anything else, and never ends
// where the kernel does not answer (github.com/moby/ipvs v1.1.0 netlink_linux.go
// setup, execute).
const (
	ipvsFamily       = "IPVS"
	ipvsGetService   = 4
	ipvsGetDest      = 8
	ipvsAttrService  = 1
	ipvsAttrDest     = 2
	svcAF            = 1
	svcProtocol      = 2
	svcAddr          = 3
	svcPort          = 4
	svcFWMark        = 5
	svcScheduler     = 6
	svcFlags         = 7
	svcTimeout       = 8
	dstAddr          = 1
	dstPort          = 2
	dstForward       = 3
	dstWeight        = 4
	dstAF            = 11
	flagPersistent   = 0x1
	flagHashed       = 0x2 // the kernel's own: the service is in its table
	forwardMask      = 0x7
	genlVersion      = 1
	genlHeader       = 4
	ctrlGetFamily    = unix.CTRL_CMD_GETFAMILY
	ctrlFamilyID     = unix.CTRL_ATTR_FAMILY_ID
	ctrlFamilyName   = unix.CTRL_ATTR_FAMILY_NAME
	genlCtrl         = unix.GENL_ID_CTRL
	noIPVS           = "no ip_vs in this kernel"
	ipvsProtocolNone = 0
)

// generic asks over generic netlink.
type generic interface {
	command(ctx context.Context, kind int, command uint8, dump bool, attributes ...*nl.RtAttr) ([][]byte, error)
}

func (s *socket) command(ctx context.Context, kind int, command uint8, dump bool, attributes ...*nl.RtAttr) ([][]byte, error) {
	parts := []nl.NetlinkRequestData{&nl.Genlmsg{Command: command, Version: genlVersion}}
	for _, a := range attributes {
		parts = append(parts, a)
	}
	flags := unix.NLM_F_ACK
	if dump {
		flags = unix.NLM_F_DUMP
	}
	return s.ask(ctx, kind, flags, parts...)
}

func readIPVS(ctx context.Context, k kernel) ([]dataplane.VirtualServer, error) {
	if _, err := os.Stat(filepath.Join(k.proc, "net", "ip_vs")); err != nil {
		if there, err := k.has("ip_vs", ipvsSymbol); err != nil || !there {
			return nil, orError(err, absent{noIPVS})
		}
	}
	s, err := open(unix.NETLINK_GENERIC)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return virtualServers(ctx, s, func() (listing, error) { return readListing(ctx, k.proc) })
}

func orError(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// virtualServers reads the services and each one's destinations: those that the
// kernel's list of everything does not tell are asked for one by one. The kernel does
// not mark a list that changed while it was dumped, so it is read again after the
// destinations, and all of it again where it differs.
func virtualServers(ctx context.Context, g generic, everything func() (listing, error)) ([]dataplane.VirtualServer, error) {
	family, err := ipvsFamilyID(ctx, g)
	if err != nil {
		return nil, err
	}
	var out []dataplane.VirtualServer
	for range maxReadings {
		before, err := services(ctx, g, family)
		if err != nil {
			return nil, err
		}
		listed, err := everything()
		if err != nil {
			listed, err = nil, nil // each is asked for then
		}
		out = nil
		for i, s := range before {
			var ok bool
			if s.Servers, ok = listed.of(s); !ok {
				s.Servers, err = destinations(ctx, g, family, s)
			}
			if err != nil {
				return out, partialAfter(i, err)
			}
			out = append(out, s.VirtualServer)
		}
		after, err := services(ctx, g, family)
		if err != nil {
			return out, partialAfter(len(out), err)
		}
		if slices.EqualFunc(before, after, func(a, b virtual) bool { return compareServers(a, b) == 0 }) {
			return out, nil
		}
	}
	return out, changed
}

// virtual is a service with the family of its addresses, which one by mark has too.
type virtual struct {
	dataplane.VirtualServer
	family int
}

// partialAfter is an error that comes when something has been read already.
func partialAfter(n int, err error) error {
	if n == 0 || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	return partial{err.Error()}
}

func ipvsFamilyID(ctx context.Context, g generic) (int, error) {
	answers, err := g.command(ctx, genlCtrl, ctrlGetFamily, false, nl.NewRtAttr(ctrlFamilyName, nl.ZeroTerminated(ipvsFamily)))
	if errors.Is(err, unix.ENOENT) {
		return 0, absent{noIPVS}
	}
	if err != nil {
		return 0, fmt.Errorf("find ipvs: %w", err)
	}
	for _, m := range answers {
		for kind, v := range attributes(m[min(len(m), genlHeader):]) {
			if kind == ctrlFamilyID {
				return int(number(v)), nil
			}
		}
	}
	return 0, errors.New("find ipvs: the kernel gave no number")
}

func services(ctx context.Context, g generic, family int) ([]virtual, error) {
	list, err := g.command(ctx, family, ipvsGetService, true)
	if err != nil {
		return nil, fmt.Errorf("list ipvs services: %w", err)
	}
	var out []virtual
	for _, m := range list {
		for kind, v := range attributes(m[min(len(m), genlHeader):]) {
			if kind == ipvsAttrService {
				out = append(out, service(v))
			}
		}
	}
	slices.SortFunc(out, compareServers)
	return out, nil
}

// compareServers orders services, whatever their destinations.
func compareServers(a, b virtual) int {
	return cmp.Or(a.IP.Compare(b.IP), strings.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Mark, b.Mark),
		strings.Compare(a.Scheduler, b.Scheduler), cmp.Compare(a.Flags, b.Flags), cmp.Compare(a.Persistent, b.Persistent), a.family-b.family)
}

func service(data []byte) virtual {
	var out virtual
	var timeout uint32
	var address []byte
	for kind, v := range attributes(data) {
		switch kind {
		case svcAF:
			out.family = int(number(v))
		case svcProtocol:
			if n := number(v); n != ipvsProtocolNone {
				out.Proto = strings.ToUpper(protocolName(int(n)))
			}
		case svcAddr:
			address = v
		case svcPort:
			out.Port = uint16(netNumber(v))
		case svcFWMark:
			out.Mark = uint32(number(v))
		case svcScheduler:
			out.Scheduler = text(v)
		case svcFlags:
			if len(v) >= 4 { // struct ip_vs_flags: the flags, and a mask
				out.Flags = uint32(number(v[:4])) &^ flagHashed
			}
		case svcTimeout:
			timeout = uint32(number(v))
		}
	}
	if out.Mark == 0 {
		out.IP = rawAddr(out.family, address)
	}
	if out.Flags&flagPersistent != 0 {
		out.Persistent = timeout
	}
	return out
}

// destinations are those of one service, which is named by what is in its key. A
// service that has gone meanwhile has none.
func destinations(ctx context.Context, g generic, family int, s virtual) ([]dataplane.RealServer, error) {
	list, err := g.command(ctx, family, ipvsGetDest, true, serviceKey(s))
	if err != nil {
		return nil, fmt.Errorf("list ipvs destinations: %w", err)
	}
	var out []dataplane.RealServer
	for _, m := range list {
		for kind, v := range attributes(m[min(len(m), genlHeader):]) {
			if kind == ipvsAttrDest {
				out = append(out, destination(v, s.family))
			}
		}
	}
	slices.SortFunc(out, compareRealServers)
	return out, nil
}

func serviceKey(s virtual) *nl.RtAttr {
	key := nl.NewRtAttr(ipvsAttrService|unix.NLA_F_NESTED, nil)
	key.AddRtAttr(svcAF, nl.Uint16Attr(uint16(s.family)))
	if s.Mark != 0 {
		key.AddRtAttr(svcFWMark, nl.Uint32Attr(s.Mark))
		return key
	}
	key.AddRtAttr(svcProtocol, nl.Uint16Attr(protocolNumber(s.Proto)))
	key.AddRtAttr(svcAddr, s.IP.AsSlice())
	key.AddRtAttr(svcPort, binary.BigEndian.AppendUint16(nil, s.Port))
	return key
}

// protocolNumber is that of the protocols that IPVS knows.
func protocolNumber(name string) uint16 {
	switch name {
	case "TCP":
		return unix.IPPROTO_TCP
	case "UDP":
		return unix.IPPROTO_UDP
	case "SCTP":
		return unix.IPPROTO_SCTP
	}
	return 0
}

func destination(data []byte, family int) dataplane.RealServer {
	var out dataplane.RealServer
	var address []byte
	for kind, v := range attributes(data) {
		switch kind {
		case dstAF: // since Linux 3.18; before it is the service's
			family = int(number(v))
		case dstAddr:
			address = v
		case dstPort:
			out.Port = uint16(netNumber(v))
		case dstForward:
			out.Forward = forwardName(number(v) & forwardMask)
		case dstWeight:
			out.Weight = int(int32(number(v)))
		}
	}
	out.IP = rawAddr(family, address)
	return out
}

// forwardName names a forwarding method (IP_VS_CONN_F_FWD_MASK).
func forwardName(n uint64) string {
	switch n {
	case 0:
		return "masq"
	case 1:
		return "local"
	case 2:
		return "tunnel"
	case 3:
		return "route"
	case 4:
		return "bypass"
	}
	return fmt.Sprint(n)
}
