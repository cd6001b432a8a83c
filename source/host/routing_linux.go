// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"whohas/snapshot"
)

// rtnetlink is what is asked of the kernel about devices, addresses and routes.
type rtnetlink interface {
	LinkList() ([]netlink.Link, error)
	Addresses(ctx context.Context) ([][]byte, error)
	RouteListFilteredIter(family int, filter *netlink.Route, mask uint64, f func(netlink.Route) bool) error
	NeighListExecute(msg netlink.Ndmsg) ([]netlink.Neigh, error)
	Rules(ctx context.Context, family int) ([][]byte, error)
	Bound(ctx context.Context) error // gives the calls the time that is left
	Moved() bool                     // something has changed since this was asked last
}

// routeSockets are the kernel of the thread's network namespace.
type routeSockets struct {
	*netlink.Handle
	ask   *socket
	watch *nl.NetlinkSocket
}

// watched lists the groups of everything that must be of one moment (linux
// include/uapi/linux/rtnetlink.h enum rtnetlink_groups).
func watched() []uint {
	return []uint{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE}
}

func openRouteSockets() (*routeSockets, error) {
	watch, err := nl.Subscribe(unix.NETLINK_ROUTE, watched()...)
	if err != nil {
		return nil, err
	}
	s := &routeSockets{watch: watch}
	// The family is named: opening all of them fails where one is not built in.
	if s.Handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err == nil {
		s.ask, err = open(unix.NETLINK_ROUTE)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *routeSockets) close() {
	s.watch.Close()
	if s.Handle != nil {
		s.Close()
	}
	if s.ask != nil {
		s.ask.close()
	}
}

// Bound limits the library's calls, which take no context.
func (s *routeSockets) Bound(ctx context.Context) error {
	return errors.Join(ctx.Err(), s.SetSocketTimeout(remaining(ctx)))
}

// Addresses lists the addresses of all devices as they come over the wire.
func (s *routeSockets) Addresses(ctx context.Context) ([][]byte, error) {
	return s.ask.dump(ctx, unix.RTM_GETADDR, nl.NewIfAddrmsg(unix.AF_UNSPEC))
}

// Rules lists the routing policy as it comes over the wire: the library leaves a
// rule's action out, so that blackhole would look like a look-up of table 0.
func (s *routeSockets) Rules(ctx context.Context, family int) ([][]byte, error) {
	return s.ask.dump(ctx, unix.RTM_GETRULE, &nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family)}})
}

// Moved reports whether the kernel has announced a change, or so many that it lost
// some, and takes all announcements that have come.
func (s *routeSockets) Moved() bool {
	moved := false
	var buffer [1 << 13]byte
	for {
		_, _, err := unix.Recvfrom(s.watch.GetFd(), buffer[:], unix.MSG_DONTWAIT)
		switch {
		case err == nil, errors.Is(err, unix.ENOBUFS):
			moved = true
		case !errors.Is(err, unix.EINTR):
			return moved
		}
	}
}

// readRoutes reads links, addresses, routes, policies and neighbours.
func (r *reading) readRoutes() {
	kernel, err := openRouteSockets()
	if err != nil {
		for _, name := range []string{Links, Addresses, Routes, Rules, Neighbours} {
			r.section(name, func(context.Context) (int, error) { return 0, err })
		}
		return
	}
	defer kernel.close()
	r.routing(kernel)
}

// routing reads what must be of one moment, and reads it again where something
// changed meanwhile. The neighbours come after: they never stand still.
func (r *reading) routing(k rtnetlink) {
	first, unread := len(r.coverage), len(r.host.Unread)
	var names linkNames
	for n := 1; ; n++ {
		k.Moved()
		names = r.routingOnce(k)
		if !k.Moved() || r.ctx.Err() != nil {
			break
		}
		if n == maxReadings {
			r.spoil(r.coverage[first:])
			break
		}
		r.coverage, r.host.Unread = r.coverage[:first], r.host.Unread[:unread]
	}
	r.section(Neighbours, func(ctx context.Context) (int, error) {
		var err error
		r.host.Neighbours, err = readNeighbours(ctx, k, names)
		return len(r.host.Neighbours), err
	})
}

func (r *reading) routingOnce(k rtnetlink) linkNames {
	var names linkNames
	r.section(Links, func(ctx context.Context) (int, error) {
		var err error
		r.host.Links, names, err = readLinks(ctx, k)
		return len(r.host.Links), err
	})
	if slices.Contains(r.options.Skip, Links) { // the others need the names all the same
		_, names, _ = readLinks(r.ctx, k)
	}
	r.section(Addresses, func(ctx context.Context) (int, error) {
		var err error
		r.host.Addresses, err = readAddresses(ctx, k, names)
		return len(r.host.Addresses), err
	})
	r.section(Routes, func(ctx context.Context) (int, error) {
		var err error
		r.host.Routes, err = readRoutes(ctx, k, names)
		return len(r.host.Routes), err
	})
	r.section(Rules, func(ctx context.Context) (int, error) {
		var err error
		r.host.Rules, err = readPolicies(ctx, k)
		return len(r.host.Rules), err
	})
	return names
}

// spoil marks sections that were read, and never stood still.
func (r *reading) spoil(lines []snapshot.Coverage) {
	for i, name := range []string{Links, Addresses, Routes, Rules} {
		if c := &lines[i]; c.Status == snapshot.StatusRead {
			c.Status, c.Detail, c.Complete = snapshot.StatusPartial, changed.why, false
			r.host.Unread = append(r.host.Unread, name)
		}
	}
}
