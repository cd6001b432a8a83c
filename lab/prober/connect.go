// SPDX-License-Identifier: Apache-2.0

//go:build linux

package prober

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bannerWait is how long a server has to say who it is; those of Kubernetes say
// nothing.
const bannerWait = 300 * time.Millisecond

// TCP opens a connection. Its answer is "answered by NAME" where the server
// says its name, else "accepted"; or why there was no connection.
func TCP(to netip.AddrPort, wait time.Duration) Probe {
	return open(unix.SOCK_STREAM, to, wait)
}

// UDP sends a datagram. Its answer is "answered by NAME", or why not.
func UDP(to netip.AddrPort, wait time.Duration) Probe {
	return open(unix.SOCK_DGRAM, to, wait)
}

type connection struct {
	fd    int
	kind  int
	until time.Time
}

func open(kind int, to netip.AddrPort, wait time.Duration) Probe {
	fd, err := socket(unix.AF_INET, kind, 0)
	if err != nil {
		return done(verdict(err))
	}
	err = unix.Connect(fd, sockaddr(to))
	if err == nil && kind == unix.SOCK_DGRAM {
		_, err = unix.Write(fd, []byte("who?\n"))
	}
	if err != nil && err != unix.EINPROGRESS { //nolint:errorlint // errno of a bare system call
		unix.Close(fd)
		return done(verdict(err))
	}
	return &connection{fd: fd, kind: kind, until: time.Now().Add(wait)}
}

func (c *connection) Wait() string {
	defer unix.Close(c.fd)
	if c.kind == unix.SOCK_STREAM {
		if poll(c.fd, unix.POLLOUT, c.until) == 0 {
			return Silence
		}
		if code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
			return verdict(unix.Errno(code))
		}
		c.until = time.Now().Add(bannerWait)
	}
	if poll(c.fd, unix.POLLIN, c.until) == 0 {
		if c.kind == unix.SOCK_STREAM {
			return Accepted
		}
		return Silence
	}
	var b [64]byte
	n, err := unix.Read(c.fd, b[:])
	if err != nil {
		return verdict(err)
	}
	name, ok := strings.CutSuffix(string(b[:n]), "\n")
	if !ok {
		return Accepted
	}
	return Answered + " by " + name
}
