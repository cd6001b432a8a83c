// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package rtnetlink

import (
	"context"
	"errors"
	"net/netip"
	"runtime"

	"whohas/bypass"
	"whohas/dataplane"
)

// Conn is nothing: the package knows Linux only.
type Conn struct{}

// Open does nothing.
func Open() (*Conn, error) {
	return nil, errors.New("open netlink: routing rules are put on Linux only, not on " + runtime.GOOS)
}

// Read does nothing.
func (*Conn) Read(context.Context) (*dataplane.Host, error) { return &dataplane.Host{}, nil }

// Put does nothing.
func (*Conn) Put(context.Context, bypass.Purpose, ...netip.Addr) ([]bypass.Change, error) {
	return nil, nil
}

// Take does nothing.
func (*Conn) Take(context.Context, bypass.Purpose, ...netip.Addr) ([]bypass.Change, error) {
	return nil, nil
}

// Close does nothing.
func (*Conn) Close() {}
