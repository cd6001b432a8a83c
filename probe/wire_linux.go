// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
)

// wire is a socket on a link, for one protocol, and what was heard on it.
type wire struct {
	link   link
	own    map[mac]bool
	ips    []netip.Addr // of one family
	conn   *packet.Conn
	sent   map[netip.Addr]int
	failed map[netip.Addr]error // of sending, the first
	deaf   error                // why listening ended before its time
	heard  map[netip.Addr]map[mac]bool
}

// open makes the socket, in the calling thread's network namespace.
func (w *wire) open() error {
	program, err := filter(w.link.index, w.ips)
	if err != nil {
		return err
	}
	at := &net.Interface{Index: w.link.index, Name: w.link.name, HardwareAddr: w.link.mac[:]}
	protocol := syscall.ETH_P_ARP
	if w.ips[0].Is6() {
		protocol = syscall.ETH_P_IPV6
	}
	w.conn, err = packet.Listen(at, packet.Datagram, protocol, &packet.Config{Filter: program})
	if err != nil || protocol == syscall.ETH_P_ARP {
		return err
	}
	// A card drops groups that nobody has joined, where IPv6 is switched off on it.
	if err := w.conn.JoinGroup(allNodes[:]); err != nil {
		return errors.Join(err, w.conn.Close())
	}
	return nil
}

// past is a deadline that ends all reading and writing.
var past = time.Unix(1, 0)

// ask sends all probes and listens. It closes the socket.
func (w *wire) ask(ctx context.Context) {
	defer func() { _ = w.conn.Close() }()
	hush := func() { _ = w.conn.SetDeadline(past) } // fails on a closed socket only
	defer context.AfterFunc(ctx, hush)()
	ended := make(chan error)
	go func() { ended <- w.listen() }()
	for i := range probes {
		if i > 0 {
			pause(ctx, interval)
		}
		w.send(ctx)
	}
	pause(ctx, window)
	hush()
	if w.deaf = <-ended; w.deaf == nil {
		w.deaf = ctx.Err()
	}
}

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// send sends a probe for each address. A card that takes none holds up nobody for
// longer than the interval.
func (w *wire) send(ctx context.Context) {
	_ = w.conn.SetWriteDeadline(time.Now().Add(interval))
	for _, ip := range w.ips {
		if ctx.Err() != nil {
			return
		}
		to, probe := broadcast, []byte(nil)
		if ip.Is4() {
			probe = arpProbe(w.link.mac, ip)
		} else {
			to, probe = solicitedMAC(ip), solicit(ip)
		}
		if _, err := w.conn.WriteTo(probe, &packet.Addr{HardwareAddr: to[:]}); err == nil {
			w.sent[ip]++
		} else if w.failed[ip] == nil {
			w.failed[ip] = err
		}
	}
}

// longest is more than any ARP packet or advertisement has.
const longest = 2048

// listen gathers answers until the deadline.
func (w *wire) listen() error {
	frame := make([]byte, longest)
	for {
		n, from, err := w.conn.ReadFrom(frame)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if a, ok := from.(*packet.Addr); ok && a != nil {
			w.hear(frame[:n], a.HardwareAddr)
		}
	}
}

// hear notes a frame's answer, if it is one. Of an advertisement that does not
// name its sender's MAC, the frame's own counts.
func (w *wire) hear(frame, from []byte) {
	var ip netip.Addr
	var who mac
	if w.ips[0].Is4() {
		p, err := decodeARP(frame)
		if err != nil {
			return
		}
		ip, who, _ = p.answer()
	} else {
		a, err := decodeAdvertisement(frame)
		if err != nil {
			return
		}
		if ip, who = a.target, a.mac; who == (mac{}) && len(from) == len(who) {
			who = mac(from)
		}
	}
	w.note(ip, who)
}

func (w *wire) note(ip netip.Addr, who mac) {
	macs, asked := w.heard[ip]
	if !asked || w.own[who] || who == (mac{}) || len(macs) >= mostMACs {
		return
	}
	macs[who] = true
}
