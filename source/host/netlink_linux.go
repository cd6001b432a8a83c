// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// maxReadings is how often something is read that changes meanwhile.
const maxReadings = 6

// whole reads until nothing has interrupted: a dump that the kernel marks with
// NLM_F_DUMP_INTR may lack entries or have some twice (linux net/netlink/af_netlink.c,
// nl_dump_check_consistent). After the last reading its data stays, as partial.
func whole[T any](ctx context.Context, read func() (T, error)) (T, error) {
	for range maxReadings - 1 {
		got, err := read()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return got, err
		}
		if ctx.Err() != nil {
			return got, ctx.Err()
		}
	}
	got, err := read()
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		err = changed
	}
	return got, err
}

// socket is a netlink socket of our own, for what the library does not read, or
// not whole.
type socket struct {
	protocol int
	nl       *nl.NetlinkSocket
	handle   map[int]*nl.SocketHandle
}

// open opens it in the namespace of the thread.
func open(protocol int) (*socket, error) {
	s, err := nl.Subscribe(protocol)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return &socket{protocol: protocol, nl: s, handle: map[int]*nl.SocketHandle{protocol: {Socket: s}}}, nil
}

func (s *socket) close() { s.nl.Close() }

// dump sends a request that many messages answer.
func (s *socket) dump(ctx context.Context, kind int, parts ...nl.NetlinkRequestData) ([][]byte, error) {
	return s.ask(ctx, kind, unix.NLM_F_DUMP, parts...)
}

func (s *socket) ask(ctx context.Context, kind, flags int, parts ...nl.NetlinkRequestData) ([][]byte, error) {
	wait := unix.NsecToTimeval(remaining(ctx).Nanoseconds())
	if err := errors.Join(ctx.Err(), s.nl.SetReceiveTimeout(&wait), s.nl.SetSendTimeout(&wait)); err != nil {
		return nil, err
	}
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = s.handle
	for _, p := range parts {
		req.AddData(p)
	}
	return req.Execute(s.protocol, 0)
}

// remaining is the time that is left, but at least the kernel's smallest step.
func remaining(ctx context.Context) time.Duration {
	until, ok := ctx.Deadline()
	if !ok {
		return defaultTimeout
	}
	return max(time.Until(until), 4*time.Millisecond)
}

// addr is an address of the library's, unmapped; the zero Addr for none and for
// the unspecified one, by which tunnels and routes mean none.
func addr(ip net.IP) netip.Addr {
	a, ok := netip.AddrFromSlice(ip)
	if !ok || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a.Unmap()
}

// prefix is a network of the library's. One of IPv6 stays one: ::ffff:0.0.0.0/96 is
// no default route.
func prefix(ip net.IP, mask net.IPMask) netip.Prefix {
	a, ok := netip.AddrFromSlice(ip)
	bits, size := mask.Size()
	switch {
	case !ok || size == 0:
		return netip.Prefix{}
	case size == 32:
		a = a.Unmap()
	}
	return netip.PrefixFrom(a, bits)
}
