// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package prober sends one packet or opens one connection and says in one line
// what became of it. Sockets are opened in the namespace of the calling thread,
// and waited for outside it: Open is quick, the answer takes its time.
package prober

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Probe is a probe on its way. Wait gives what became of it; it must be called
// once.
type Probe interface{ Wait() string }

// What becomes of a probe, in the words that scenarios use.
const (
	Accepted = "accepted"
	Answered = "answered"
	Refused  = "refused"
	Silence  = "no answer"
)

// done is a probe that was over before it began: the kernel refused to send it.
type done string

func (d done) Wait() string { return string(d) }

// verdict says in words why a socket could not send or connect.
func verdict(err error) string {
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return Refused
	case errors.Is(err, unix.EHOSTUNREACH):
		return "host-unreachable"
	case errors.Is(err, unix.ENETUNREACH):
		return "network-unreachable"
	case errors.Is(err, unix.ETIMEDOUT):
		return Silence
	case errors.Is(err, unix.ECONNRESET):
		return "reset"
	}
	return "error: " + err.Error()
}

// socket opens a socket that neither blocks nor outlives an exec.
func socket(family, kind, proto int) (int, error) {
	fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return 0, fmt.Errorf("open socket: %w", err)
	}
	return fd, nil
}

// poll waits for events on a socket; it gives none when the time is over.
func poll(fd int, events int16, until time.Time) int16 {
	for {
		// What came while nobody let this process run is looked at when the time is
		// over, too.
		left := max(0, time.Until(until))
		set := []unix.PollFd{{Fd: int32(fd), Events: events}}
		n, err := unix.Poll(set, int((left+time.Millisecond-1)/time.Millisecond))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return 0
		}
		return set[0].Revents
	}
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
}
