// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
)

// Announce tells a link that an address is this host's, twice, a second apart (RFC
// 5227, 2.3): who remembers another MAC for it, since another host answered for it
// once, takes this link's. The address must be the host's own there; that is the
// caller's to know. The socket is of the calling thread's network namespace.
func Announce(ctx context.Context, t Target) error {
	links, err := readLinks()
	if err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	l, ok := links[t.Link]
	if !ok {
		return fmt.Errorf("announce: no link %s", t.Link)
	}
	if err := l.usable(); err != nil {
		return fmt.Errorf("announce on %s: %w", t.Link, err)
	}
	ip := t.IP.Unmap().WithZone("")
	protocol, to, message := syscall.ETH_P_ARP, broadcast, []byte(nil)
	if ip.Is6() {
		protocol, to, message = syscall.ETH_P_IPV6, allNodes, unsolicited(l.mac, ip)
	} else {
		message = arpAnnouncement(l.mac, ip)
	}
	conn, err := packet.Listen(&net.Interface{Index: l.index, Name: l.name, HardwareAddr: l.mac[:]}, packet.Datagram, protocol, nil)
	if err != nil {
		return fmt.Errorf("announce on %s: %w", t.Link, err)
	}
	var failed []error
	for i := range probes {
		if i > 0 {
			pause(ctx, window)
		}
		_ = conn.SetWriteDeadline(time.Now().Add(interval))
		_, err := conn.WriteTo(message, &packet.Addr{HardwareAddr: to[:]})
		failed = append(failed, err, ctx.Err())
	}
	return errors.Join(append(failed, conn.Close())...)
}
