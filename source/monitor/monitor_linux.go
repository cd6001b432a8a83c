// SPDX-License-Identifier: Apache-2.0

package monitor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Monitor is a socket of the network namespace of the thread that opened it; whoever
// uses it later, it stays there (linux net/socket.c __sock_create). It is one
// goroutine's at a time.
type Monitor struct {
	fd     int
	buffer []byte
}

// Open listens from now on. room is how many bytes of announcements may wait to be
// heard.
func Open(room int) (*Monitor, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("listen to the kernel: %w", err)
	}
	// Above net.core.rmem_max only with CAP_NET_ADMIN in the first user namespace; what
	// is too small is noticed, and costs a list.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room)
	}
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_RULE | 1<<(unix.RTNLGRP_IPV6_RULE-1)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen to the kernel: %w", err)
	}
	return &Monitor{fd: fd, buffer: make([]byte, 64<<10)}, nil
}

// Close ends it.
func (m *Monitor) Close() { unix.Close(m.fd) }

// Wait waits until something is announced, for so long at most.
func (m *Monitor) Wait(d time.Duration) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(m.fd), Events: unix.POLLIN}}, max(1, int(d.Milliseconds())))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for the kernel: %w", err)
	}
	return nil
}

// maxDatagrams bounds what is read in one go, should somebody announce without end.
const maxDatagrams = 10_000

// Changes are what has been announced since the last call, in its order; ErrMissed
// beside them says that there was more.
func (m *Monitor) Changes() ([]Change, error) {
	var out []Change
	var missed error
	for range maxDatagrams {
		n, _, flags, from, err := unix.Recvmsg(m.fd, m.buffer, nil, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return out, missed
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS): // told once; what still fits follows
			missed = ErrMissed
			continue
		case err != nil:
			return out, fmt.Errorf("hear the kernel: %w", err)
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue // not the kernel's
		}
		changes, err := parse(m.buffer[:n])
		if err != nil || flags&unix.MSG_TRUNC != 0 {
			missed = ErrMissed
		}
		out = append(out, changes...)
	}
	return out, missed
}

// parse reads a datagram of announcements (rtnetlink(7)).
func parse(datagram []byte) ([]Change, error) {
	messages, err := syscall.ParseNetlinkMessage(datagram)
	if err != nil {
		return nil, fmt.Errorf("announcement: %w", err)
	}
	var out []Change
	for _, m := range messages {
		switch m.Header.Type {
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			a, err := ParseAddress(m.Data)
			if err != nil {
				return out, err
			}
			a.Gone = m.Header.Type == unix.RTM_DELADDR
			out = append(out, a)
		case unix.RTM_NEWRULE, unix.RTM_DELRULE:
			out = append(out, Change{Of: Rule, Gone: m.Header.Type == unix.RTM_DELRULE})
		case unix.RTM_DELLINK:
			if len(m.Data) < unix.SizeofIfInfomsg {
				return out, errors.New("announcement: a device cut short")
			}
			// A bridge announces with the same type that a port has left it (linux
			// net/bridge/br_netlink.c br_info_notify, AF_BRIDGE).
			if m.Data[0] == unix.AF_UNSPEC {
				out = append(out, Change{Of: Link, Gone: true, Index: int(int32(binary.NativeEndian.Uint32(m.Data[4:])))})
			}
		}
	}
	return out, nil
}

// ParseAddress reads the body of an RTM_NEWADDR or RTM_DELADDR. The device's own address
// is IFA_LOCAL; IFA_ADDRESS is the other end's, where there are two, and the only one
// that IPv6 otherwise has (linux include/uapi/linux/if_addr.h).
func ParseAddress(data []byte) (Change, error) {
	if len(data) < unix.SizeofIfAddrmsg {
		return Change{}, errors.New("address: cut short")
	}
	bits, index := int(data[1]), int(int32(binary.NativeEndian.Uint32(data[4:])))
	local, address := attributeOf(data[unix.SizeofIfAddrmsg:], unix.IFA_LOCAL), attributeOf(data[unix.SizeofIfAddrmsg:], unix.IFA_ADDRESS)
	if local == nil {
		local = address
	}
	ip, ok := netip.AddrFromSlice(local)
	if !ok || bits > ip.BitLen() {
		return Change{}, errors.New("address: none in it")
	}
	return Change{Of: Address, Index: index, Prefix: netip.PrefixFrom(ip, bits)}, nil
}

// attributeOf finds the first attribute of a kind; nil: there is none. (The library's
// reader panics on a last one that is not padded.)
func attributeOf(list []byte, kind uint16) []byte {
	for len(list) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(list))
		if size < unix.SizeofRtAttr || size > len(list) {
			return nil
		}
		if binary.NativeEndian.Uint16(list[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) == kind {
			return list[unix.SizeofRtAttr:size]
		}
		list = list[min((size+3)&^3, len(list)):]
	}
	return nil
}
