// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package port

import "net"

// keep gives a port that was free just now: elsewhere none can be kept so.
func keep() (at string, release func(), err error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return l.Addr().String(), func() {}, l.Close()
}
