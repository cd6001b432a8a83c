// SPDX-License-Identifier: Apache-2.0

//go:build linux

package testbed

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// space is a network namespace with a thread that stays in it. The thread never
// returns to the others: the runtime ends it with its goroutine, because it is
// locked.
type space struct {
	ns    int
	links *netlink.Handle
	work  chan func()
}

func newSpace() (*space, error) {
	s := &space{work: make(chan func())}
	ready := make(chan error)
	go s.live(ready)
	if err := <-ready; err != nil {
		return nil, err
	}
	handle, err := netlink.NewHandleAt(netns.NsHandle(s.ns), unix.NETLINK_ROUTE)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	s.links = handle
	return s, nil
}

func (s *space) live(ready chan<- error) {
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNET)
	if err == nil {
		s.ns, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		ready <- fmt.Errorf("make network namespace: %w", err)
		return
	}
	ready <- nil
	for f := range s.work {
		f()
	}
}

// Do calls f on the namespace's thread: sockets that f opens, files below
// /proc/thread-self/net and commands that it starts are the namespace's. f must
// not wait for long, and not call Do.
func (s *space) Do(f func() error) error {
	done := make(chan error)
	s.work <- func() { done <- f() }
	return <-done
}

func (s *space) close() {
	if s.links != nil {
		s.links.Close()
	}
	close(s.work)
	_ = unix.Close(s.ns)
}
