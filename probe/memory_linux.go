// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// memory is what this host's neighbour tables knew of the targets before anybody was
// asked. An answer changes what is known: the first to come counts, once the entry is
// older than locktime, a second (linux net/ipv4/arp.c arp_process, 6.1). Where several
// answer, that may be one who is not the owner, and this host would send there what is
// for the owner. So what was known is put back.
type memory struct {
	handle *netlink.Handle
	known  []netlink.Neigh
}

// remember reads the tables in the calling thread's network namespace. Where they
// cannot be read nothing is put back.
func remember(wires []*wire) *memory {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return &memory{}
	}
	m := &memory{handle: h}
	for _, w := range wires {
		for _, n := range m.entries(w) {
			if n.State&(unix.NUD_REACHABLE|unix.NUD_STALE|unix.NUD_DELAY|unix.NUD_PROBE) != 0 {
				m.known = append(m.known, n)
			}
		}
	}
	return m
}

// entries lists what a wire's link knows of its targets.
func (m *memory) entries(w *wire) []netlink.Neigh {
	family := unix.AF_INET
	if w.ips[0].Is6() {
		family = unix.AF_INET6
	}
	list, _ := m.handle.NeighList(w.link.index, family)
	var out []netlink.Neigh
	for _, n := range list {
		ip, _ := netip.AddrFromSlice(n.IP)
		if _, asked := w.heard[ip.Unmap()]; asked {
			out = append(out, n)
		}
	}
	return out
}

// keep puts back, again and again until stop is closed, what answers change.
func (m *memory) keep(wires []*wire, stop <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			m.restore(wires)
			return
		case <-tick.C:
			m.restore(wires)
		}
	}
}

func (m *memory) restore(wires []*wire) {
	if len(m.known) == 0 {
		return
	}
	for _, w := range wires {
		for _, now := range m.entries(w) {
			for _, before := range m.known {
				if before.LinkIndex == now.LinkIndex && before.IP.Equal(now.IP) && !bytes.Equal(before.HardwareAddr, now.HardwareAddr) && len(now.HardwareAddr) > 0 {
					before.State = unix.NUD_STALE // it is asked again when it is next needed
					_ = m.handle.NeighSet(&before)
				}
			}
		}
	}
}

func (m *memory) close() {
	if m.handle != nil {
		m.handle.Close()
	}
}
