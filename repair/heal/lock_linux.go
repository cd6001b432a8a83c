// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockName is in the abstract namespace of unix sockets (unix(7)), of which each
// network namespace has its own (network_namespaces(7)): what is locked is just what
// is worked on. A file in /run would be another one in a container that shares the
// host's network, could not be made on a read-only file system, and would outlive
// whoever is killed.
const lockName = "@whohas-repair"

// lock is held as long as the process lives, or until it is closed.
type lock int

// take takes the lock of the thread's network namespace.
func take() (lock, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("lock: %w", err)
	}
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: lockName})
	if err == nil {
		err = unix.Listen(fd, 1) // so that others can ask who it is
	}
	if err == nil {
		return lock(fd), nil
	}
	unix.Close(fd)
	if errors.Is(err, unix.EADDRINUSE) {
		return -1, fmt.Errorf("lock: %w%s", ErrHeld, holder())
	}
	return -1, fmt.Errorf("lock: %w", os.NewSyscallError("bind", err))
}

// holder says who has the lock, where the kernel tells (unix(7), SO_PEERCRED): any
// user of the host may have taken it.
func holder() string {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	if unix.Connect(fd, &unix.SockaddrUnix{Name: lockName}) != nil {
		return ""
	}
	who, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || who.Pid == 0 { // of another PID namespace
		return ""
	}
	return fmt.Sprintf(": process %d of user %d", who.Pid, who.Uid)
}

func (l lock) release() { unix.Close(int(l)) }
