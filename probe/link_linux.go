// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// link is a network device, as far as it matters to who wants to ask it.
type link struct {
	index  int
	name   string
	kind   uint16 // ARPHRD_*
	flags  uint32
	mac    mac
	master int
	slave  string // what the master is: "bridge", "bond", "vrf"
}

// Of linux include/uapi/linux/if.h and if_link.h; syscall does not have them.
const (
	iffLowerUp    = 1 << 16
	infoSlaveKind = 4
)

// readLinks gives the devices of the calling thread's network namespace by name.
func readLinks() (map[string]link, error) {
	dump, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	links := map[string]link{}
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWLINK {
			continue
		}
		if l, ok := linkOf(m.Data); ok {
			links[l.name] = l
		}
	}
	return links, nil
}

// linkOf reads the body of an RTM_NEWLINK message (rtnetlink(7)).
func linkOf(b []byte) (link, bool) {
	if len(b) < syscall.SizeofIfInfomsg {
		return link{}, false
	}
	order := binary.NativeEndian
	l := link{kind: order.Uint16(b[2:]), index: int(int32(order.Uint32(b[4:]))), flags: order.Uint32(b[8:])}
	list := b[syscall.SizeofIfInfomsg:]
	l.name = text(attribute(list, syscall.IFLA_IFNAME))
	if a := attribute(list, syscall.IFLA_ADDRESS); len(a) == len(l.mac) {
		l.mac = mac(a)
	}
	if a := attribute(list, syscall.IFLA_MASTER); len(a) == 4 {
		l.master = int(order.Uint32(a))
	}
	l.slave = text(attribute(attribute(list, syscall.IFLA_LINKINFO), infoSlaveKind))
	return l, l.name != ""
}

// attribute finds the first attribute of a kind in a list.
func attribute(list []byte, kind uint16) []byte {
	for len(list) >= syscall.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(list))
		if size < syscall.SizeofRtAttr || size > len(list) {
			return nil
		}
		if binary.NativeEndian.Uint16(list[2:])&0x3fff == kind { // the two highest bits are flags
			return list[syscall.SizeofRtAttr:size]
		}
		list = list[min((size+3)&^3, len(list)):]
	}
	return nil
}

func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// usable tells why a link cannot be asked.
func (l link) usable() error {
	switch {
	case l.kind != syscall.ARPHRD_ETHER || l.mac == (mac{}):
		return errors.New("not an Ethernet link")
	case l.flags&syscall.IFF_UP == 0:
		return errors.New("the link is down")
	case l.flags&iffLowerUp == 0:
		return errors.New("the link has no carrier")
	case l.flags&syscall.IFF_NOARP != 0: // dummy devices, such as kube-ipvs0
		return errors.New("the link resolves no addresses (NOARP)")
	case l.master != 0 && l.slave != "vrf": // the master takes what arrives (rx_handler of net/core/dev.c); a VRF does so above ARP only
		return fmt.Errorf("the link is part of a %s: ask that", l.slave)
	}
	return nil
}

// ownMACs are a link's own and those of its members: a bond's slaves may answer
// with theirs (bonding.rst, balance-alb).
func ownMACs(l link, links map[string]link) map[mac]bool {
	own := map[mac]bool{l.mac: true}
	for _, other := range links {
		if other.master == l.index && other.slave != "vrf" {
			own[other.mac] = true
		}
	}
	return own
}
