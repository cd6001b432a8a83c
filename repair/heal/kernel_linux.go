// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"whohas/source/monitor"
)

// spot is an address on a device.
type spot struct {
	index  int
	prefix netip.Prefix
}

// errNoDevice says that there is no such device.
var errNoDevice = errors.New("no such device")

// kernel is what is asked of the kernel, and told to it.
type kernel interface {
	Wait(time.Duration) error // until something is announced
	Changes() ([]monitor.Change, error)
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
	*monitor.Monitor
	asking *nl.NetlinkSocket
	handle map[int]*nl.SocketHandle
	links  *netlink.Handle
}

func openKernel(buffer int) (*thisKernel, error) {
	k := &thisKernel{}
	var err error
	if k.Monitor, err = monitor.Open(buffer); err != nil {
		return nil, err
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

func (k *thisKernel) close() {
	k.Close()
	if k.asking != nil {
		k.asking.Close()
	}
	if k.links != nil {
		k.links.Close()
	}
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
		a, err := monitor.ParseAddress(m)
		if err != nil {
			broken = err
			return true
		}
		out = append(out, spot{a.Index, a.Prefix})
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

// permitted reports whether addresses may be removed, by removing one from no device:
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
