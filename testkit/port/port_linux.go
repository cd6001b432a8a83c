// SPDX-License-Identifier: Apache-2.0

package port

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// keep binds a socket and does not listen. A port is not given to anybody while some socket
// is bound to it. With SO_REUSEADDR on both, as Go's listeners have it, another may bind to
// it by its number and listen, as long as this one does not (linux
// net/ipv4/inet_connection_sock.c, inet_csk_get_port and inet_bind_conflict).
func keep() (at string, release func(), err error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	err = errors.Join(unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(s, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	if err != nil {
		return "", nil, errors.Join(err, unix.Close(s))
	}
	name, err := unix.Getsockname(s)
	own, ok := name.(*unix.SockaddrInet4)
	if err != nil || !ok {
		return "", nil, errors.Join(err, unix.Close(s))
	}
	return fmt.Sprintf("127.0.0.1:%d", own.Port), func() { _ = unix.Close(s) }, nil
}
