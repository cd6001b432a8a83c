// SPDX-License-Identifier: Apache-2.0

package hold

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// spot is an address on a device.
type spot struct {
	index  int
	prefix netip.Prefix
}

// change is what the kernel announces: an address that is there or not, or, where
// there is no prefix, a device that has gone with all its addresses.
type change struct {
	spot
	gone bool
}

// errMissed says that announcements are missing.
var errMissed = errors.New("announcements are missing")

// errNoDevice says that there is no such device.
var errNoDevice = errors.New("no such device")

// kernel is what is asked of the kernel, and told to it.
type kernel interface {
	wait(time.Duration) error     // until something is announced
	announced() ([]change, error) // all that is, errMissed after some of it
	list() (spots []spot, whole bool, err error)
	device(name string) (index int, kind string, err error)
	name(index int) (string, error)
	remove(spot) error
	close()
}

// answerTime bounds the kernel's answer to a request.
const answerTime = 5 * time.Second

// thisKernel talks rtnetlink to the kernel of the thread's network namespace. Its
// sockets stay there (linux net/socket.c __sock_create), whoever uses them later. It
// is one goroutine's at a time.
type thisKernel struct {
	news   int // the socket that hears announcements
	asking *nl.NetlinkSocket
	handle map[int]*nl.SocketHandle
	links  *netlink.Handle
	buffer []byte
}

func openKernel(buffer int) (*thisKernel, error) {
	k := &thisKernel{news: -1, buffer: make([]byte, 64<<10)}
	var err error
	if k.news, err = subscribe(buffer); err != nil {
		return nil, fmt.Errorf("listen to the kernel: %w", err)
	}
	if k.asking, err = nl.Subscribe(unix.NETLINK_ROUTE); err != nil {
		k.close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	k.handle = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: k.asking}}
	if k.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		k.close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	limit := unix.NsecToTimeval(answerTime.Nanoseconds())
	err = errors.Join(k.asking.SetReceiveTimeout(&limit), k.asking.SetSendTimeout(&limit), k.links.SetSocketTimeout(answerTime))
	if err != nil {
		k.close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	return k, nil
}

// subscribe opens the socket that hears of addresses and devices.
func subscribe(buffer int) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, err
	}
	// Above net.core.rmem_max only with CAP_NET_ADMIN in the first user namespace; what
	// is too small is noticed, and costs a list.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	}
	groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (k *thisKernel) close() {
	if k.news >= 0 {
		unix.Close(k.news)
	}
	if k.asking != nil {
		k.asking.Close()
	}
	if k.links != nil {
		k.links.Close()
	}
}

func (k *thisKernel) wait(d time.Duration) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(k.news), Events: unix.POLLIN}}, max(1, int(d.Milliseconds())))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for the kernel: %w", err)
	}
	return nil
}

// maxDatagrams bounds what is read in one go, should somebody announce without end.
const maxDatagrams = 10_000

func (k *thisKernel) announced() ([]change, error) {
	var out []change
	var missed error
	for range maxDatagrams {
		n, _, flags, from, err := unix.Recvmsg(k.news, k.buffer, nil, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return out, missed
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ENOBUFS): // told once; what still fits follows
			missed = errMissed
			continue
		case err != nil:
			return out, fmt.Errorf("hear the kernel: %w", err)
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
			continue // not the kernel's
		}
		changes, err := parseChanges(k.buffer[:n])
		if err != nil || flags&unix.MSG_TRUNC != 0 {
			missed = errMissed
		}
		out = append(out, changes...)
	}
	return out, missed
}

// parseChanges reads a datagram of announcements (rtnetlink(7)).
func parseChanges(datagram []byte) ([]change, error) {
	messages, err := syscall.ParseNetlinkMessage(datagram)
	if err != nil {
		return nil, fmt.Errorf("announcement: %w", err)
	}
	var out []change
	for _, m := range messages {
		switch m.Header.Type {
		case unix.RTM_NEWADDR, unix.RTM_DELADDR:
			s, err := parseAddress(m.Data)
			if err != nil {
				return out, err
			}
			out = append(out, change{s, m.Header.Type == unix.RTM_DELADDR})
		case unix.RTM_DELLINK:
			if len(m.Data) < unix.SizeofIfInfomsg {
				return out, errors.New("announcement: a device cut short")
			}
			// A bridge announces with the same type that a port has left it (linux
			// net/bridge/br_netlink.c br_info_notify, AF_BRIDGE).
			if m.Data[0] == unix.AF_UNSPEC {
				out = append(out, change{spot{index: int(int32(binary.NativeEndian.Uint32(m.Data[4:])))}, true})
			}
		}
	}
	return out, nil
}

// parseAddress reads an RTM_NEWADDR or RTM_DELADDR. The device's own address is
// IFA_LOCAL; IFA_ADDRESS is the other end's, where there are two, and the only one
// that IPv6 otherwise has (linux include/uapi/linux/if_addr.h).
func parseAddress(data []byte) (spot, error) {
	if len(data) < unix.SizeofIfAddrmsg {
		return spot{}, errors.New("address: cut short")
	}
	bits, index := int(data[1]), int(int32(binary.NativeEndian.Uint32(data[4:])))
	local, address := attributeOf(data[unix.SizeofIfAddrmsg:], unix.IFA_LOCAL), attributeOf(data[unix.SizeofIfAddrmsg:], unix.IFA_ADDRESS)
	if local == nil {
		local = address
	}
	ip, ok := netip.AddrFromSlice(local)
	if !ok || bits > ip.BitLen() {
		return spot{}, errors.New("address: none in it")
	}
	return spot{index, netip.PrefixFrom(ip, bits)}, nil
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

// list gives all addresses. One that the kernel marks as interrupted (linux
// net/netlink/af_netlink.c nl_dump_check_consistent) may lack some, and is not whole.
func (k *thisKernel) list() ([]spot, bool, error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETADDR, unix.NLM_F_DUMP)
	request.Sockets = k.handle
	request.AddData(nl.NewIfAddrmsg(unix.AF_UNSPEC))
	var out []spot
	var broken error
	err := request.ExecuteIter(unix.NETLINK_ROUTE, unix.RTM_NEWADDR, func(m []byte) bool {
		s, err := parseAddress(m)
		if err != nil {
			broken = err
			return true
		}
		out = append(out, s)
		return true
	})
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return out, false, nil
	}
	if err = errors.Join(err, broken); err != nil {
		return nil, false, fmt.Errorf("list addresses: %w", err)
	}
	return out, true, nil
}

func (k *thisKernel) device(name string) (int, string, error) {
	link, err := k.links.LinkByName(name)
	if err != nil {
		return 0, "", deviceError(name, err)
	}
	return link.Attrs().Index, link.Type(), nil
}

func (k *thisKernel) name(index int) (string, error) {
	link, err := k.links.LinkByIndex(index)
	if err != nil {
		return "", deviceError(fmt.Sprintf("device %d", index), err)
	}
	return link.Attrs().Name, nil
}

func deviceError(what string, err error) error {
	if errors.As(err, new(netlink.LinkNotFoundError)) || errors.Is(err, unix.ENODEV) {
		return errNoDevice
	}
	return fmt.Errorf("look at %s: %w", what, err)
}

// remove takes an address off a device. One that is not there, or on a device that
// has gone, is os.ErrNotExist: somebody was faster.
func (k *thisKernel) remove(s spot) error {
	ip := s.prefix.Addr()
	family := unix.AF_INET
	if ip.Is6() {
		family = unix.AF_INET6
	}
	head := nl.NewIfAddrmsg(family)
	head.Prefixlen, head.Index = uint8(s.prefix.Bits()), uint32(s.index)
	request := nl.NewNetlinkRequest(unix.RTM_DELADDR, unix.NLM_F_ACK)
	request.Sockets = k.handle
	request.AddData(head)
	request.AddData(nl.NewRtAttr(unix.IFA_LOCAL, ip.AsSlice()))
	request.AddData(nl.NewRtAttr(unix.IFA_ADDRESS, ip.AsSlice()))
	_, err := request.Execute(unix.NETLINK_ROUTE, 0)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("remove %s: %w", s.prefix, os.ErrNotExist)
	}
	return fmt.Errorf("remove %s: %w", s.prefix, err)
}

// permitted tells whether addresses may be removed, by removing one from no device:
// permission is asked for before anything is looked at (linux
// net/core/rtnetlink.c rtnetlink_rcv_msg).
func permitted(k kernel) error {
	nothing := spot{prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), net.IPv4len*8)}
	err := k.remove(nothing)
	switch {
	case err == nil, errors.Is(err, os.ErrNotExist):
		return nil
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("remove addresses: %w (it takes CAP_NET_ADMIN)", os.ErrPermission)
	}
	return err
}
